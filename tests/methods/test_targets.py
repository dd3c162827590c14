import pytest
import torch

from sepc.methods.targets import BACKGROUND, IGNORED, anchor_targets, check_targets, one_hot

GOOD = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
NAN = float("nan")


def test_good_targets_pass() -> None:
    flat = torch.tensor([[5.0, 5.0, 5.0, 9.0], [-10.0, -10.0, -5.0, -5.0]])
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    check_targets(
        [GOOD, flat, none[0]], [torch.tensor([0]), torch.tensor([2, 1]), none[1]], num_classes=3
    )
    check_targets([], [], num_classes=3)


@pytest.mark.parametrize("wrong", [3, -1, 80])
def test_a_class_out_of_range_names_the_image(wrong: int) -> None:
    classes = [torch.tensor([0]), torch.tensor([wrong])]
    with pytest.raises(
        ValueError, match=rf"image 1: expected classes in \[0, 3\), got \[{wrong}\]"
    ):
        check_targets([GOOD, GOOD], classes, num_classes=3)


@pytest.mark.parametrize(
    "box", [[1, 2, NAN, 4], [1, 2, float("inf"), 4], [3, 2, 1, 4], [1, 4, 3, 2]]
)
def test_a_bad_box_names_the_image(box: list[float]) -> None:
    boxes = [GOOD, torch.cat([GOOD, torch.tensor([box], dtype=torch.float32)])]
    with pytest.raises(ValueError, match=r"image 1: expected finite boxes with x1 <= x2"):
        check_targets(boxes, [torch.tensor([0]), torch.tensor([0, 0])], num_classes=1)


def test_wrong_shapes_name_the_image() -> None:
    with pytest.raises(
        ValueError, match=r"image 0: expected boxes \(M, 4\).*got \(1, 4\) and \(2,\)"
    ):
        check_targets([GOOD], [torch.tensor([0, 0])], num_classes=1)
    with pytest.raises(ValueError, match=r"image 0: expected boxes .*got \(1, 5\)"):
        check_targets([torch.zeros(1, 5)], [torch.tensor([0])], num_classes=1)
    with pytest.raises(ValueError, match=r"image 0: expected integer classes, got torch.float32"):
        check_targets([GOOD], [torch.tensor([0.0])], num_classes=1)
    with pytest.raises(ValueError, match=r"each of 1 image\(s\), got them for 2"):
        check_targets([GOOD], [torch.tensor([0])] * 2, num_classes=1)


def test_anchor_targets() -> None:
    assignment = torch.tensor([1, BACKGROUND, IGNORED, 0])
    boxes = torch.arange(8.0).view(2, 4)
    labels, matched = anchor_targets(assignment, boxes, torch.tensor([5, 7]), num_classes=9)
    assert labels.tolist() == [7, 9, -1, 5]
    torch.testing.assert_close(matched[[0, 3]], boxes[[1, 0]])
    assert one_hot(labels, 9).sum(dim=1).tolist() == [1, 0, 0, 1]


def test_anchor_targets_without_ground_truth() -> None:
    assignment = torch.tensor([BACKGROUND, IGNORED])
    none = torch.zeros(0, dtype=torch.long)
    labels, matched = anchor_targets(assignment, torch.zeros(0, 4), none, num_classes=9)
    assert labels.tolist() == [9, -1]
    assert matched.shape == (2, 4)


def test_names_of_images_in_messages() -> None:
    with pytest.raises(ValueError, match=r"^b\.jpg: expected classes in \[0, 1\), got \[3\]"):
        check_targets(
            [GOOD, GOOD],
            [torch.tensor([0]), torch.tensor([3])],
            num_classes=1,
            names=["a.jpg", "b.jpg"],
        )
