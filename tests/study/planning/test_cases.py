import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.study.labelled import Choice
from nnunet_uad.study.planning.cases import chosen_cases, groups_of, in_words, shares

CASES = [f"lgg_{h}_{k}" for h, count in {"CS": 11, "DU": 29, "EZ": 1, "FG": 8, "HT": 21}.items() for k in range(count)]


def test_a_draw_takes_from_every_hospital_in_proportion_and_is_the_same_again():
    choice = Choice(draw=30, by="lgg_(..)")
    drawn = chosen_cases(choice, CASES, "test_cases", "0/test_cases")
    assert in_words(drawn, "lgg_(..)") == "30 (CS 5, DU 13, FG 3, HT 9)"
    assert drawn == chosen_cases(choice, CASES[::-1], "test_cases", "0/test_cases") == sorted(drawn)
    assert drawn != chosen_cases(choice, CASES, "test_cases", "1/test_cases")
    only = chosen_cases(Choice(draw=3, matching=".*_HT_.*"), CASES, "pool", "0")
    assert len(only) == 3 and set(groups_of(only, "_(..)_", "pool")) == {"HT"}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.data())
def test_shares_are_in_proportion(sizes, data):
    count = data.draw(st.integers(1, sum(sizes)))
    given = shares(sizes, count)
    assert sum(given) == count
    assert all(0 <= g <= n and abs(g - n * count / sum(sizes)) < 1 for g, n in zip(given, sizes, strict=True))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(names=("lgg_DU_1", "lgg_DUU_2")), "pool: lgg_DUU_2 is none of the cases.*Did you mean 'lgg_DU_2'"),
        (Choice(matching="DU"), "no case matches 'DU', which is compared with the whole identifier. They are called l"),
        (Choice(draw=71), "draw expects at most 70, the cases that there are, found 71"),
        (Choice(draw=2, by="lgg_(DU|HT)"), r"by finds no 'lgg_\(DU\|HT\)' in lgg_CS_0, .* and 15 more"),
    ],
)
def test_what_cannot_be_chosen_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        chosen_cases(choice, CASES, "pool", "0")
