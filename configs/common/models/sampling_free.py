"""Sampling-Free: all anchors in a plain cross entropy, whose scale the other losses guide.

Prior probabilities and the threshold of scores are those of the official code.
"""

from detectron2.config import LazyCall as L

from sepc.layers import GuidedLosses

guided_losses = L(GuidedLosses)(names=["loss_cls", "loss_box_reg"], warmup_iters=100)


def make_sampling_free(model, optimizer, *, losses, prior_prob):
    """Train a detector without focal loss; ``losses`` are the names that it gives its own."""
    model.focal_loss_alpha = -1  # with gamma 0 this is cross entropy
    model.focal_loss_gamma = 0
    model.guided_losses = guided_losses
    model.guided_losses.names = losses
    model.head.prior_prob = prior_prob
    model.test_score_thresh = 0.001
    optimizer.params.overrides = {"sigmas": {"weight_decay": 0.0}}


def make_retinanet_sampling_free(model, optimizer):
    make_sampling_free(model, optimizer, losses=guided_losses.names, prior_prob=1e-5)


def make_fcos_sampling_free(model, optimizer):
    losses = ["loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"]
    make_sampling_free(model, optimizer, losses=losses, prior_prob=1e-4)
    # of the root of class score times centerness: sqrt(0.001)
    model.test_score_thresh = 0.03


def make_atss_sampling_free(model, optimizer):
    losses = ["loss_cls", "loss_box_reg", "loss_centerness"]
    make_sampling_free(model, optimizer, losses=losses, prior_prob=3e-3)
