import pytest

from nnunet_uad.study.labelled import Budget, Choice


def test_budgets_in_words():
    words = [Budget(b).words for b in ("1", "4s", "1s", "all", "3")]
    assert words == ["1 case", "4 slices", "1 slice", "all cases", "3 cases"]
    assert [Budget(b).count for b in ("4s", "3", "all")] == [4, 3, None] and Budget("4s").in_slices
    with pytest.raises(ValueError, match="A budget is a number of cases"):
        Budget("0")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "expects a list of cases, a regular expression, or"),
        ({"names": ("a",), "draw": 3}, "expects a list of cases, a regular expression, or"),
        ({"matching": "lgg", "by": "(..)"}, "say how many, too"),
        ({"matching": "lgg_("}, "matching is no regular expression"),
        ({"names": ("a", "b", "a")}, "lists a twice"),
    ],
)
def test_choices_that_say_nothing_or_two_things_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Choice(**changes)
