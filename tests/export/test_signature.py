"""What files take and tell."""

import pytest
import torch

from sepc.export import ExportedDetector, Signature, join_names, split_names


@pytest.mark.parametrize(
    "signature",
    [
        Signature(),
        Signature(image_size=(64, 96), batch=4),
        Signature(batch="dynamic", min_size=129, masks=True),
    ],
)
def test_signature_as_text_and_back(signature):
    assert Signature.from_text(signature.as_text()) == signature


def test_axes_that_may_change():
    assert Signature().dynamic_axes == {1: "height", 2: "width"}
    assert Signature(batch="dynamic").dynamic_axes == {0: "batch", 2: "height", 3: "width"}
    assert Signature(batch=2, image_size=(8, 8)).dynamic_axes == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(image_size=(0, 5)), r"image size of positive sides, got \(0, 5\)"),
        (dict(batch=0), "batch of 1 or more or 'dynamic', got 0"),
        (dict(batch="any"), "batch of 1 or more or 'dynamic', got 'any'"),
        (dict(min_size=0), "min_size of 1 or more, got 0"),
    ],
)
def test_bad_signatures(arguments, message):
    with pytest.raises(ValueError, match=message):
        Signature(**arguments)


def pixels(*shape):
    return torch.zeros(shape, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("signature", "images", "message"),
    [
        (Signature(), pixels(2, 3, 8, 8), r"shape \(3, H, W\), got .* shape \(2, 3, 8, 8\)"),
        (Signature(), torch.zeros(3, 8, 8), "expected uint8 pixels .*, got torch.float32"),
        (Signature(image_size=(4, 8)), pixels(3, 8, 8), r"shape \(3, 4, 8\), got"),
        (Signature(batch=2), pixels(3, 3, 8, 8), r"shape \(2, 3, H, W\), got"),
        (Signature(batch="dynamic"), pixels(3, 8, 8), r"shape \(N, 3, H, W\), got"),
        (Signature(min_size=9), pixels(3, 8, 9), "at least 9 x 9 pixels, got 8 x 9"),
    ],
)
def test_images_that_do_not_fit(signature, images, message):
    with pytest.raises(ValueError, match=message):
        signature.check(images)


@pytest.mark.parametrize("names", [["a", "b c"], ["one, two", 'say "x"'], ["only"], []])
def test_names_come_back(names):
    assert split_names(join_names(names)) == names


def test_usual_names_are_separated_by_commas():
    assert join_names(["traffic light", "dog"]) == "traffic light,dog"
    with pytest.raises(ValueError, match="expected names of one line"):
        join_names(["a\nb"])


def fake(metadata, find):
    return ExportedDetector(find, "onnx", metadata)


def test_one_image_through_a_file_of_several_and_several_through_one_of_one():
    def find_all(images):
        owners = torch.arange(len(images)).repeat_interleave(2)
        scores = images[owners, 0, 0, 0].float()
        return torch.zeros(len(owners), 4), scores, owners, owners

    images = torch.stack([torch.full((3, 2, 2), i, dtype=torch.uint8) for i in range(3)])
    several = fake(Signature(batch="dynamic").as_text(), find_all)
    assert several.detect(images[2])[1].tolist() == [2, 2]
    assert [x[1].tolist() for x in several.detect_batch(images)] == [[0, 0], [1, 1], [2, 2]]
    four = fake(Signature(batch=4).as_text(), find_all)
    assert four.detect(images[1])[1].tolist() == [1, 1]

    def find_one(image):
        return torch.zeros(1, 4), image[0, 0, :1].float(), torch.zeros(1, dtype=torch.int64)

    one = fake(Signature().as_text(), find_one)
    assert [x[1].tolist() for x in one.detect_batch(images)] == [[0], [1], [2]]
