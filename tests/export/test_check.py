"""The comparison that an export must pass."""

import pytest
import torch

from sepc.export import ExportError, compare_detections


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
