import pytest

from sepc.checkpoint.renaming import Rule, rename

RULES = [
    Rule("layer{stage}.{block}.bn", "res{stage+1}.{block}.norm"),
    Rule("layer{stage}.{block}", "res{stage+1}.{block}"),
]


def renamed(name, rules=RULES):
    return next(iter(rename({name: 0}, rules)))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("layer1.10.bn.weight", "res2.10.norm.weight"),
        ("layer9.0.conv", "res10.0.conv"),
        ("layer1.0", "res2.0"),
    ],
)
def test_numbers_and_what_follows(theirs, ours):
    assert renamed(theirs) == ours
    assert renamed(ours, [rule.swapped() for rule in RULES]) == theirs


@pytest.mark.parametrize("name", ["layer1", "layerx.0", "my.layer1.0", "layer1.0x", "layer1.0."])
def test_what_no_rule_fits_stays(name):
    assert renamed(name) == name


def test_number_that_has_no_partner_stays():
    assert renamed("res0.0", [rule.swapped() for rule in RULES]) == "res0.0"


def test_parts():
    assert Rule("bn", "norm").under("a.{i}.", "b.{i}.") == Rule("a.{i}.bn", "b.{i}.norm")


def test_order_and_values_stay():
    values = {"x": 1, "layer1.0": 2, "y": 3}
    assert list(rename(values, RULES).items()) == [("x", 1), ("res2.0", 2), ("y", 3)]


def test_two_names_for_one():
    with pytest.raises(ValueError, match=r"two weights would become 'res2\.0'; the second is 'res"):
        rename({"layer1.0": 0, "res2.0": 0}, RULES)
