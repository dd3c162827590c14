"""Ground truth as it comes: losses and gradients are finite, and stay in the graph."""

import pytest
import torch

from .scene import METHODS, K, predictions

NONE = torch.zeros(0, 4)
ORDINARY = torch.tensor([[10.0, 12.0, 40.0, 50.0], [30.0, 5.0, 80.0, 60.0]])

SCENES = {
    "ordinary": [ORDINARY],
    "no boxes": [NONE],
    "no boxes in any image": [NONE, NONE],
    "only some images have boxes": [NONE, ORDINARY, NONE],
    "zero area": [torch.tensor([[20.0, 20.0, 20.0, 20.0], [20.0, 30.0, 60.0, 30.0]])],
    "zero area beside others": [torch.cat([ORDINARY, torch.tensor([[50.0, 50.0, 50.0, 50.0]])])],
    "outside": [torch.tensor([[-90.0, -80.0, -20.0, -30.0], [500.0, 500.0, 900.0, 700.0]])],
    "partly outside": [torch.tensor([[-30.0, -40.0, 25.0, 30.0]])],
    "one covers all": [torch.tensor([[0.0, 0.0, 85.0, 70.0]])],
    "far larger than the image": [torch.tensor([[-1e4, -1e4, 1e4, 1e4]])],
    "the same box twice": [ORDINARY[[0, 0]]],
    "tiny": [torch.tensor([[20.0, 20.0, 20.01, 20.01]])],
}


def with_classes(boxes: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    return boxes, [torch.arange(len(b)) % K for b in boxes]


def check_finite(loss: torch.Tensor, inputs: list[torch.Tensor]) -> None:
    assert loss.shape == () and loss.isfinite()
    loss.backward()
    for x in inputs:
        assert x.grad is not None, "a prediction has left the graph"
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scene", SCENES)
def test_losses_and_gradients_are_finite(method: str, scene: str) -> None:
    total, widths = METHODS[method]
    boxes = SCENES[scene]
    inputs = predictions(len(boxes), *widths)
    check_finite(total(with_classes(boxes), inputs), inputs)


@pytest.mark.parametrize("method", METHODS)
def test_a_thousand_objects(method: str) -> None:
    total, widths = METHODS[method]
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(1000, 2, generator=generator) * 70
    sizes = torch.rand(1000, 2, generator=generator) * 40
    boxes = [torch.cat([corners, corners + sizes], dim=1)]
    inputs = predictions(1, *widths)
    check_finite(total(with_classes(boxes), inputs), inputs)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "free_anchor"])
def test_every_anchor_ignored(method: str) -> None:
    """The loss is zero, with zero gradients. FreeAnchor has no ignored anchors."""
    total, widths = METHODS[method]
    inputs = predictions(1, *widths)
    loss = total(with_classes([ORDINARY]), inputs, True)
    assert loss.item() == 0
    check_finite(loss, inputs)
    for x in inputs:
        assert not x.grad.any()


@pytest.mark.parametrize("scale", [30.0, 1e3])
@pytest.mark.parametrize("method", METHODS)
def test_saturated_predictions(method: str, scale: float) -> None:
    total, widths = METHODS[method]
    inputs = [(x * scale).detach().requires_grad_() for x in predictions(1, *widths)]
    check_finite(total(with_classes([ORDINARY]), inputs), inputs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_predictions_have_float32_losses(method: str, dtype: torch.dtype) -> None:
    """As autocast gives them; rounding the predictions is all that half precision does."""
    total, widths = METHODS[method]
    gt = with_classes([ORDINARY])
    halves = [x.detach().to(dtype).requires_grad_() for x in predictions(1, *widths)]
    with torch.autocast("cpu", torch.bfloat16):
        loss = total(gt, halves)
    assert loss.dtype == torch.float32
    check_finite(loss, halves)
    rounded = [x.detach().float() for x in halves]
    torch.testing.assert_close(loss, total(gt, rounded))


@pytest.mark.parametrize("method", METHODS)
def test_ground_truth_is_left_as_it_is(method: str) -> None:
    total, widths = METHODS[method]
    boxes, classes = with_classes([ORDINARY.clone(), NONE.clone()])
    kept_classes = [c.clone() for c in classes]
    total((boxes, classes), predictions(2, *widths))
    torch.testing.assert_close(boxes[0], ORDINARY)
    torch.testing.assert_close(classes, kept_classes)


@pytest.mark.parametrize("method", METHODS)
def test_images_of_a_batch_do_not_meet(method: str) -> None:
    """The loss of a batch is the sum of the losses of its images."""
    total, widths = METHODS[method]
    other = torch.tensor(
        [[0.0, 0.0, 30.0, 30.0], [15.0, 20.0, 60.0, 65.0], [5.0, 40.0, 20.0, 60.0]]
    )
    boxes, classes = with_classes([ORDINARY, NONE, other])
    inputs = predictions(3, *widths)
    alone = [
        total(([boxes[i]], [classes[i]]), [x[i : i + 1] for x in inputs]) for i in range(len(boxes))
    ]
    torch.testing.assert_close(total((boxes, classes), inputs), sum(alone))
