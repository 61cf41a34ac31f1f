import pytest
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from nnunet_uad.common.classes import check_classes, check_order, class_names, with_ignore_label

REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ({"background": 0}, None),
        ({"lesion": [1], "background": 0}, [1]),
        ({"background": 0, "a": 1, "b": 2, "ignore": 3}, None),
        (REGIONS, [1, 2, 3]),
        ({**REGIONS, "ignore": 4}, [3, 1, 2]),
    ],
)
def test_what_nnunet_takes_is_taken(labels, order):
    LabelManager(labels, order)
    check_classes(labels)
    check_order(labels, order)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"0": "background", "1": "lesion"}, '{"background": 0, "lesion": 1}'),
        ({}, "background expects 0, found no such name"),
        ({"lesion": 1}, "background expects 0, found no such name"),
        ({"background": 1, "lesion": 0}, "background expects 0, found 1"),
        ({"background": [0]}, "background expects 0, found"),
        ({"background": "0", "lesion": "1"}, "background expects a whole number, found '0'"),
        ({"background": 0, "lesion": 2}, "without gaps, found .0, 2.: 1 is missing"),
        ({"background": 0, "a": 1, "b": 1}, "b expects a number of its own, found 1, that of a"),
        ({"background": 0, "a": True}, "a expects a whole number, or a list"),
        ({"background": 0, "a": [1, 1]}, "a expects each number once"),
        ({"background": 0, "a": {}}, "a expects a whole number, or a list"),
        ({"background": 0, " ": 1}, "a name of every class"),
        ({"background": 0, "a": 1, "ignore": 3}, "ignore expects 2, one more than all others, found 3"),
        ({"background": 0, "a": 2, "ignore": 1}, "1 is missing"),
        ({"background": 0, "a": 1, "ignore": [2]}, "ignore expects a whole number, found"),
    ],
)
def test_what_it_refuses_or_mixes_up_is_refused_by_name(labels, said):
    with pytest.raises(ValueError, match=rf"labels.*{said}"):
        check_classes(labels)


@pytest.mark.parametrize("order", [None, [], [1, 2], [1, 2, 2], [0, 1, 2], [1, 2, 4], [1, 2, 3, 1]])
def test_regions_need_an_order_of_their_own(order):
    with pytest.raises(ValueError, match="regions_class_order expects a label for each of the 3 regions"):
        check_order(REGIONS, order)


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2]])
def test_regions_are_named_by_what_they_are_painted_with(order):
    names = class_names({"labels": {**REGIONS, "ignore": 4}, "regions_class_order": order})
    manager = LabelManager({**REGIONS, "ignore": 4}, order)
    regions = {name: tuple(value) if isinstance(value, list) else value for name, value in REGIONS.items()}
    painted = dict(zip(manager.regions_class_order, manager.foreground_regions, strict=True))
    assert {value: regions[name] for value, name in names.items()} == painted
    assert class_names({"labels": {"background": 0, "b": 2, "a": [1], "ignore": 3}}) == {2: "b", 1: "a"}


def test_the_ignore_label_is_the_highest_value():
    assert with_ignore_label({"labels": {"background": 0, "a": 1}})["labels"]["ignore"] == 2
    assert with_ignore_label({"labels": {"background": 0, "all": [1, 2], "core": 2}})["labels"]["ignore"] == 3
    assert with_ignore_label({"labels": {"background": 0, "ignore": 4}})["labels"]["ignore"] == 4
