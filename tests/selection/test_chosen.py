import numpy as np

from nnunet_uad.selection.chosen import slices_by_case, spread
from nnunet_uad.selection.coverage import Choice
from nnunet_uad.selection.units import Chosen, Unit


def test_slices_of_each_case_in_order():
    def one(rank, case, index):
        return Chosen(Unit(case, index, False, np.zeros(1), 0, 0), rank, Choice(0, 1, 0, None), 0, None)

    assert slices_by_case([one(1, "b", 7), one(2, "a", 3), one(3, "b", 2)]) == {"b": [2, 7], "a": [3]}
    assert slices_by_case([one(1, "b", None), one(2, "a", None)]) == {"b": None, "a": None}


def test_spread_keeps_both_ends():
    assert spread(range(10), 4) == [0, 3, 6, 9] and spread([1, 2], 8) == [1, 2]
