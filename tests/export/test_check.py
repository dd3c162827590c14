"""The comparison that an export must pass."""

import pytest
import torch

from sepc.export import ExportError, check_detections, compare_detections


def detections():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 20, 20], [1, 1, 4, 4]])
    return boxes, torch.tensor([0.9, 0.5, 0.5]), torch.tensor([0, 1, 1])


def test_equal_scores_may_change_places():
    boxes, scores, classes = detections()
    order = torch.tensor([0, 2, 1])
    agreement = compare_detections(detections(), (boxes[order], scores, classes))
    assert (agreement.detections, agreement.box_error, agreement.score_error) == (3, 0, 0)


def test_reports_the_largest_differences():
    boxes, scores, classes = detections()
    boxes[1, 2] += 0.005
    scores[0] -= 5e-5
    agreement = compare_detections(detections(), (boxes, scores, classes))
    assert agreement.box_error == pytest.approx(0.005, abs=1e-5)
    assert agreement.score_error == pytest.approx(5e-5, abs=1e-6)
    assert "3 detections" in str(agreement)


@pytest.mark.parametrize("what", ["box", "score", "class", "nan"])
def test_a_detection_without_a_partner(what):
    boxes, scores, classes = detections()
    if what == "box":
        boxes[2, 3] += 0.02
    elif what == "score":
        scores[2] += 2e-4
    elif what == "class":
        classes[2] = 0
    else:
        boxes[2, 3] = float("nan")
    with pytest.raises(ExportError, match=r"detection 2 \(class 1, .* has no partner"):
        compare_detections(detections(), (boxes, scores, classes))


def test_one_partner_is_not_enough_for_two():
    boxes, scores, classes = detections()
    twice = (boxes[[0, 1, 1]], scores, classes)
    with pytest.raises(ExportError, match=r"detection 2 .* has no partner"):
        compare_detections(twice, (boxes, scores, classes))


def test_other_number_of_detections():
    boxes, scores, classes = detections()
    with pytest.raises(ExportError, match="expected 3 detections, got 2"):
        compare_detections(detections(), (boxes[:2], scores[:2], classes[:2]))


def test_no_detections_agree():
    nothing = (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert compare_detections(nothing, nothing).detections == 0


def test_a_detection_at_the_cutoff_may_be_missing():
    boxes, scores, classes = detections()
    fewer = (boxes[:2], scores[:2], classes[:2])
    assert compare_detections(detections(), fewer, cutoff=0.49995).detections == 2
    assert compare_detections(fewer, detections(), cutoff=0.50005).detections == 2
    with pytest.raises(ExportError, match=r"expected 3 detections, got 2: detection 2 .*"):
        compare_detections(detections(), fewer, cutoff=0.4)
    with pytest.raises(ExportError, match=r"got 3: additional detection 2 .* has no partner"):
        compare_detections(fewer, detections(), cutoff=0.6)


def test_masks_are_compared():
    masks = torch.rand(3, 1, 2, 2)
    agreement = compare_detections((*detections(), masks), (*detections(), masks + 1e-4))
    assert agreement.detections == 3
    with pytest.raises(ExportError, match=r"detection 0 .* has no partner"):
        compare_detections((*detections(), masks), (*detections(), masks + 0.01))


def test_several_images():
    def find(image):
        return tuple(x[: int(image[0, 0, 0])] for x in detections())

    images = torch.tensor([1, 3])[:, None, None, None].expand(-1, 3, 2, 2)
    agreement = check_detections(lambda batch: [find(x) for x in batch], find, [images])
    assert (agreement.images, agreement.detections) == (2, 4)
    assert "4 detections in 2 images" in str(agreement)
    with pytest.raises(ExportError, match=r"in an image of 2 x 2 pixels: expected 3 .*, got 1"):
        check_detections(lambda batch: [find(batch[0])] * 2, find, [images])
