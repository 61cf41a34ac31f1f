import random

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from nnunet_uad.study.planning.labels import Annotation
from nnunet_uad.study.planning.slices import choose_slices, free_number, slice_order


def annotation(lesion, other):
    return Annotation(1.0, tuple(lesion), tuple(other), "")


def test_lesion_and_other_slices_take_turns():
    order = slice_order(annotation(range(4), range(10, 14)), random.Random(0))
    assert [z < 10 for z in order] == [True, False] * 4
    assert slice_order(annotation([], [3]), random.Random(0)) == [3]


@given(st.integers(1, 12), st.integers(1, 12))
def test_smaller_budgets_are_subsets(few, more):
    found = {"a": annotation(range(5), range(20, 24)), "b": annotation(range(3), range(20, 22))}
    small, large = (choose_slices(["b", "a"], found, n, "seed") for n in sorted((few, more)))
    assert all(set(small[c]) <= set(large[c]) for c in small)
    assert sum(map(len, small.values())) == min(few, more)
    # In turns: no case is ahead by more than one, as long as both have slices left.
    if min(few, more) <= 10:
        counts = [len(small.get(c, [])) for c in "ba"]
        assert 0 <= counts[0] - counts[1] <= 1


def test_numbers_that_are_taken_are_skipped(tmp_path):
    for name in ("Dataset500_A", "Dataset501_B", "other"):
        (tmp_path / name).mkdir()
    assert free_number([tmp_path, tmp_path / "missing"]) == 502
    for number in range(502, 1000):
        (tmp_path / f"Dataset{number}_X").mkdir()
    with pytest.raises(ValueError, match="No dataset number"):
        free_number([tmp_path])


def test_the_derived_dataset_hides_what_is_not_labelled(workplace):
    layout = workplace.plan(budgets=["4s"], draws=1)
    plan = layout.plan
    target = workplace.preprocessed / plan["slice_dataset"]
    data = target / "nnUNetPlans_2d_tiny"
    (fold,) = plan["folds"]
    ((case, slices),) = fold["slices"].items()
    (name,) = fold["train"]
    image, seg, _, properties = nnUNetDatasetBlosc2(str(data), [name]).load_case(name)
    source = nnUNetDatasetBlosc2(str(workplace.source / data.name), [case])
    old_image, old, _, _ = source.load_case(case)
    assert np.array_equal(image[:], old_image[:]) and (data / f"{name}.b2nd").is_symlink()
    seg, old = np.asarray(seg[:])[0], np.asarray(old[:])[0]
    ignore = 3
    for z in range(len(seg)):
        expected = old[z] if z in slices else np.full_like(old[z], ignore)
        assert np.array_equal(seg[z], expected)
    # Half of the slices show the lesion.
    assert sum(bool((old[z] > 0).any()) for z in slices) == 2 and len(slices) == 4
    every = properties["class_locations"][(-1, 0, 1, 2)]
    assert set(every[:, 1]) <= set(slices)
    # The test cases are whole, with the locations that nnU-Net's loader asks for.
    for case in tiny.LESION[2:]:
        assert (data / f"{case}_seg.b2nd").is_symlink()
        assert (-1, 0, 1, 2) in nnUNetDatasetBlosc2(str(data), [case]).load_case(case)[3]["class_locations"]
