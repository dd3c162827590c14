"""Assignment and losses of the one-stage detectors, as functions on tensors.

What holds in every file here, and is not said again:

- Shapes use the letters of :mod:`sepc`. Dense predictions are flattened to (N, R, ...), all levels
  one after the other, fine to coarse; ``anchors`` are (R, 4) and the same for every image.
- Boxes are (x1, y1, x2, y2) in pixels, of width ``x2 - x1`` (see :mod:`.boxes` for the inclusive
  boxes of older codebases).
- An *assignment* (R,) holds for each anchor the index of its ground truth, ``BACKGROUND`` or
  ``IGNORED``; *labels* hold its class, K for background and -1 where ignored (:mod:`.targets`).
- Losses are sums in float32 or better; the caller divides, by the counts that come with them
  (tensors, so that nothing waits for the GPU), reduced over processes if it has several, and
  clamped to at least 1.
- Without ground truth, without positives or with everything ignored the sums are zero and stay
  in the graph.
"""
