import pytest

from sepc.checkpoint.meta import check_meta

ANIMALS = ("polar bear", "cat", "dog")
CONFIG = """
model = dict(type='RetinaNet', neck=[dict(type='SEPC', lcconv_padding={padding})],
             bbox_head=dict(type='{head}', num_classes=81))
"""


def check(detector="FreeAnchor", head_padding="valid", classes=ANIMALS, **meta):
    return check_meta(meta, detector=detector, head_padding=head_padding, classes=classes)


def config(head="SepcFreeAnchorRetinaHead", padding=0):
    return CONFIG.format(head=head, padding=padding)


def test_file_that_says_all():
    assert check(config=config(), CLASSES=("polar_bear", "Cat", "dog")) == []


def test_file_that_says_nothing():
    detector, classes = check()
    assert "taken as FreeAnchor" in detector
    assert "order of the classes could not be checked" in classes


@pytest.mark.parametrize("meta", [{"config": b"", "CLASSES": 3}, {"config": None}, {"config": {}}])
def test_other_kinds_of_meta(meta):
    assert len(check(**meta)) == 2


def test_unknown_classes_of_the_config():
    assert len(check(config=config(), CLASSES=ANIMALS, classes=None)) == 1


def test_retinanet_for_free_anchor():
    with pytest.raises(ValueError, match=r"of RetinaNet \(SepcRetinaHead\), .* of FreeAnchor"):
        check(config=config("SepcRetinaHead"))


def test_another_padding():
    with pytest.raises(ValueError, match=r"=1, .* head_padding='same', the config's .* 'valid'"):
        check(config=config(padding=1))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "polar bear", "dog"), "3 and 3, where 'cat' stands for 'polar bear'"),
        (("polar bear", "cat"), "2 and 3"),
        (("background", *ANIMALS), "4 and 3, where 'background' stands for 'polar bear'"),
    ],
)
def test_other_classes(classes, message):
    with pytest.raises(ValueError, match=f"or in another order: {message}"):
        check(config=config(), CLASSES=classes)
