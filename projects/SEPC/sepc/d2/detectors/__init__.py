"""Detectors, one file each, on the base classes of :mod:`.base`.

Adding a detector takes four steps; ``tests/d2/test_new_detector.py`` takes them in under 60 lines:

1. ``methods/<name>.py``: assignment and losses as functions, tensors in, tensors out. Losses come
   out as sums; the detector normalizes.
2. ``d2/detectors/<name>.py``: a subclass of :class:`.atss_base.ATSSBase`, for one anchor per
   position, with ``prediction_dims`` and the methods ``losses``, ``boxes``, ``scores`` and, unless
   ATSS assigns, ``assign``; or of :class:`.base.PyramidDetector` with ``training_losses`` and
   ``predict_levels``. Inference, evaluation, the demo and the export follow from these. It does no
   maths of its own.
3. ``configs/common/models/<name>.py``: the base config, with a head of :mod:`.heads`.
4. A row for each variant: a leaf in ``configs/``.

YAML users of Detectron2's older configs need a class in :mod:`sepc.d2.cfgnode.detectors` as well.
"""
