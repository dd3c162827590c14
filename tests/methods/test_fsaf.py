import math

import torch

from sepc.methods.focal import focal_loss
from sepc.methods.fsaf import (
    btlr_iou_loss,
    decode_btlr,
    effective_areas,
    encode_btlr,
    fsaf_assign,
    fsaf_losses,
    level_losses,
)
from sepc.methods.targets import BACKGROUND, IGNORED, anchor_targets

from .scene import NUM_ANCHORS, K, R, predictions, square_anchors


def test_the_bottom_comes_first() -> None:
    """Anchor of side 8 around (12, 12); the box reaches 1, 2, 3, 4 sides to b, t, l, r."""
    anchor = torch.tensor([[8.0, 8.0, 16.0, 16.0]])
    box = torch.tensor([[12.0 - 24, 12.0 - 16, 12.0 + 32, 12.0 + 8]])
    torch.testing.assert_close(encode_btlr(anchor, box), torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    torch.testing.assert_close(decode_btlr(anchor, torch.tensor([[1.0, 2.0, 3.0, 4.0]])), box)


def test_effective_and_ignored_area_by_hand() -> None:
    """A box of 0 to 100: effective from 40 to 60, ignored from 25 to 75; cells of 10 pixels."""
    start = torch.tensor([0.0, 20.0, 25.0, 30.0, 39.0, 45.0])
    anchors = torch.stack([start, start * 0 + 45, start + 10, start * 0 + 55], dim=1)
    box = torch.tensor([[0.0, 0.0, 100.0, 100.0]])
    assignment = fsaf_assign(anchors, box, pos_scale=0.2, neg_scale=0.5)
    # 20..30 reaches 5 pixels into the ignored area; 30..40 touches the effective one only
    assert assignment.tolist() == [BACKGROUND, IGNORED, IGNORED, IGNORED, 0, 0]


def test_a_positive_has_its_center_inside_the_box() -> None:
    """A box smaller than the anchor, off its center: in the effective area, but not positive."""
    anchor = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    assert fsaf_assign(anchor, boxes, min_iof=0.0).tolist() == [IGNORED]
    assert fsaf_assign(anchor, boxes + 1, min_iof=0.0).tolist() == [0]
    # the official code wants the center one pixel further from the right and the bottom
    assert fsaf_assign(anchor, boxes + 1, min_iof=0.0, far_margin=1.0).tolist() == [IGNORED]


def test_the_smallest_box_wins_in_any_order() -> None:
    """Five boxes around one point, in every order."""
    sides = torch.tensor([20.0, 30.0, 40.0, 50.0, 60.0])
    boxes = torch.stack([-sides, -sides, sides, sides], dim=1) / 2 + 50
    anchor = torch.tensor([[46.0, 46.0, 54.0, 54.0]])
    for order in torch.cartesian_prod(*[torch.arange(5)] * 5):
        if len(order.unique()) == 5:
            winner = fsaf_assign(anchor, boxes[order]).item()
            assert order[winner] == 0


def test_where_an_argsort_is_not_a_rank_the_official_code_has_a_larger_box() -> None:
    """Areas 2nd, 3rd, 1st: argsort (2, 0, 1) gives box 0 the highest priority; box 1 is smaller."""
    sides = torch.tensor([30.0, 20.0, 40.0])
    boxes = torch.stack([-sides, -sides, sides, sides], dim=1) / 2 + 50
    anchor = torch.tensor([[46.0, 46.0, 54.0, 54.0]])
    positive, _ = effective_areas(
        anchor, boxes, pos_scale=0.2, neg_scale=0.2, min_iof=0.01, far_margin=0.0
    )
    assert positive.all()
    as_official = sides.square().argsort(descending=True).argmax().item()
    assert as_official == 0
    assert fsaf_assign(anchor, boxes).item() == 1


def test_a_positive_is_not_ignored_for_another_box() -> None:
    anchors = torch.tensor([[46.0, 46.0, 54.0, 54.0]])
    boxes = torch.tensor([[40.0, 40.0, 60.0, 60.0], [10.0, 40.0, 66.0, 60.0]])
    positive, ignored = effective_areas(
        anchors, boxes, pos_scale=0.2, neg_scale=0.5, min_iof=0.01, far_margin=0.0
    )
    assert positive.tolist() == [[True, False]] and ignored.tolist() == [[False, True]]
    assert fsaf_assign(anchors, boxes, neg_scale=0.5).tolist() == [0]


def test_iou_loss_by_hand() -> None:
    """Boxes of 2 x 2 and 2 x 4 cells around one center: IoU 1/2."""
    predicted = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    target = torch.tensor([[1.0, 1.0, 2.0, 2.0]])
    torch.testing.assert_close(btlr_iou_loss(predicted, target), torch.tensor([math.log(2.0)]))
    torch.testing.assert_close(btlr_iou_loss(target, target), torch.zeros(1))


def test_iou_loss_of_a_box_below_one_cell() -> None:
    """As in the official code, a union of 1/4 cell counts as a whole one."""
    quarter = torch.full((1, 4), 0.25)
    torch.testing.assert_close(btlr_iou_loss(quarter, quarter), torch.tensor([math.log(4.0)]))
    torch.testing.assert_close(btlr_iou_loss(quarter, quarter, min_union=0.01), torch.zeros(1))


def test_level_losses() -> None:
    """Ground truth 0: mean 2 at level 0, 5 at level 1. Ground truth 1: level 1 only. 2: nothing."""
    by_level = level_losses(
        torch.tensor([1.0, 3.0, 5.0, 4.0]),
        torch.tensor([0, 0, 0, 1]),
        torch.tensor([0, 0, 1, 1]),
        num_gts=3,
        num_levels=2,
    )
    inf = math.inf
    torch.testing.assert_close(by_level, torch.tensor([[2.0, 5.0], [inf, 4.0], [inf, inf]]))


def scene() -> tuple[torch.Tensor, ...]:
    anchors = square_anchors(1)
    boxes = torch.tensor([[4.0, 6.0, 60.0, 58.0]])
    assignment = fsaf_assign(anchors, boxes)
    labels, matched = anchor_targets(assignment, boxes, torch.tensor([1]), num_classes=K)
    per_level = [(level == 0).any() for level in assignment.split(NUM_ANCHORS)]
    assert sum(per_level) >= 2, "the box has to have positives at several levels"
    return anchors, assignment[None], labels[None], matched[None]


def test_a_ground_truth_is_learnt_at_its_best_level_only() -> None:
    anchors, assignment, labels, matched = scene()
    logits, btlr = predictions(1, K, 4)
    losses = fsaf_losses(
        logits,
        btlr.relu(),
        anchors,
        assignment,
        labels,
        matched,
        num_gts=[1],
        num_anchors_per_level=NUM_ANCHORS,
    )
    best = losses.level_losses.argmin(dim=1).item()
    positive = labels == 1
    for level, (kept, was) in enumerate(
        zip(losses.kept.split(NUM_ANCHORS, 1), positive.split(NUM_ANCHORS, 1), strict=True)
    ):
        torch.testing.assert_close(kept, was if level == best else was & False)

    # its anchors at other levels: no box loss, and the focal loss of the other classes alone
    dropped = positive & ~losses.kept
    assert dropped.any() and not losses.box[dropped].any() and losses.box[losses.kept].any()
    focal = focal_loss(logits, labels, alpha=0.25, gamma=2.0)
    torch.testing.assert_close(losses.cls[dropped], focal[dropped][:, [0, 2]].sum(dim=1))
    torch.testing.assert_close(losses.cls[~dropped], focal[~dropped].sum(dim=1))


def test_the_selection_follows_the_predictions() -> None:
    """Perfect predictions at one level draw the ground truth there."""
    anchors, assignment, labels, matched = scene()
    levels = torch.arange(len(NUM_ANCHORS)).repeat_interleave(torch.tensor(NUM_ANCHORS))
    perfect = encode_btlr(anchors, matched[0]).clamp(min=0)
    for wanted in levels[assignment[0] == 0].unique().tolist():
        at_level = (levels == wanted).unsqueeze(1)
        btlr = torch.where(at_level, perfect, perfect * 5)
        losses = fsaf_losses(
            torch.zeros(1, R, K),
            btlr[None],
            anchors,
            assignment,
            labels,
            matched,
            num_gts=[1],
            num_anchors_per_level=NUM_ANCHORS,
        )
        assert losses.level_losses.argmin(dim=1).tolist() == [wanted]
        torch.testing.assert_close(losses.box.sum(), torch.tensor(0.0), rtol=0, atol=1e-5)


def test_gradients_of_the_iou_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted = torch.rand(5, 4, dtype=torch.double, generator=generator) + 0.5
    target = torch.rand(5, 4, dtype=torch.double, generator=generator) + 0.5
    assert torch.autograd.gradcheck(lambda x: btlr_iou_loss(x, target), predicted.requires_grad_())
