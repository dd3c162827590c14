import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from sepc.d2.detectors.base import (
    LevelPredictions,
    nms_per_class,
    process_average,
    scores_above,
    topk_candidates,
)


def test_score_times_factors_above_the_threshold_of_the_score():
    scores = torch.tensor([[0.5, 0.1], [0.2, 0.9]])
    factor = torch.tensor([[0.5], [2.0]])
    expected = torch.tensor([[0.25, 0.0], [0.0, 1.8]])
    torch.testing.assert_close(scores_above(scores, 0.2, factor), expected)


def test_best_of_each_level_then_nms_within_a_class():
    boxes = [torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]), torch.ones(1, 4)]
    scores = [torch.tensor([[0.9, 0.0], [0.8, 0.3], [0.1, 0.0]]), torch.zeros(1, 2)]
    levels = [
        LevelPredictions(s[None], b, (b[None],), lambda anchors, outputs: outputs)
        for b, s in zip(boxes, scores, strict=True)
    ]
    candidates = topk_candidates(levels, 0, limit=3, image_size=(64, 64))
    torch.testing.assert_close(candidates.scores, torch.tensor([0.9, 0.8, 0.3]))
    kept = nms_per_class(candidates, iou_threshold=0.5, max_detections=10)
    assert kept.pred_classes.tolist() == [0, 1]
    torch.testing.assert_close(kept.pred_boxes.tensor, boxes[0][:2])
    assert len(nms_per_class(candidates, iou_threshold=0.5, max_detections=1)) == 1


def test_average_of_one_process_is_at_least_one():
    for count, expected in [(0.0, 1.0), (0.3, 1.0), (7.0, 7.0)]:
        assert process_average(torch.tensor(count)).item() == expected


def _average_in_process(rank: int, file: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    count = torch.tensor([3.0, 8.0][rank])
    assert process_average(count).item() == 5.5
    assert count.item() == [3.0, 8.0][rank]
    dist.destroy_process_group()


def test_average_over_two_processes(tmp_path):
    mp.spawn(_average_in_process, args=(str(tmp_path / "store"),), nprocs=2)
