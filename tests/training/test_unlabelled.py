import copy
import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from nnunet_uad.training.unlabelled import Pool, UnlabelledCases

DATA = "nnUNetPlans_2d_tiny"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("991", "expects DATASET/FOLD, for example 901/5, found '991'"),
        ("991/all", "expects DATASET/FOLD"),
        ("/0", "expects DATASET/FOLD"),
        ("991/7", "has the folds 0 to 1, found 7"),
        ("123/0", "123"),
    ],
)
def test_what_names_no_pool_is_refused(tiny_dataset, monkeypatch, text, words):
    monkeypatch.setenv("nnUNet_uad_pool", text)
    with pytest.raises(ValueError, match=words):
        Pool.named()


def test_a_pool_is_a_folds_training_cases(tiny_dataset, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_pool", " ")
    assert Pool.named() is None
    for name in (tiny.NUMBER, tiny.DATASET):
        monkeypatch.setenv("nnUNet_uad_pool", f"{name}/0")
        assert Pool.named() == Pool(tiny_dataset, (*tiny.HEALTHY, tiny.LESION[0]))


def test_own_cases_and_copies_of_the_validation_are_left_out(workplace):
    """A copy of a validation case under another name is none of the pool."""
    data = workplace.source / DATA
    for ending in (".b2nd", "_seg.b2nd", ".pkl"):
        (data / f"copy{ending}").write_bytes((data / f"{tiny.LESION[3]}{ending}").read_bytes())
    pool = Pool(workplace.source, (*tiny.HEALTHY, *tiny.LESION, "copy"))
    left = pool.without(workplace.source, DATA, tiny.HEALTHY[:1], tiny.LESION[2:])
    assert left == [*tiny.HEALTHY[1:], *tiny.LESION[:2]]
    with pytest.raises(ValueError, match="not preprocessed: 'nobody'"):
        Pool(workplace.source, ("nobody",)).without(workplace.source, DATA, [], tiny.LESION)


@pytest.mark.parametrize("key", ["channels", "spacing", "normalization_schemes"])
def test_a_pool_of_other_images_is_refused(tiny_dataset, key):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    description = json.loads((tiny_dataset / "dataset.json").read_text())
    pool = Pool(tiny_dataset, ())
    pool.refuse_other_data(plans, "2d_tiny", description)
    other, described = copy.deepcopy(plans), copy.deepcopy(description)
    if key == "channels":
        described["channel_names"]["0"] = "T2"
    else:
        other["configurations"]["2d_tiny"][key] = {"spacing": [1.0, 2.0], "normalization_schemes": ["CT", "CT"]}[key]
    with pytest.raises(ValueError, match=f"has other {key} than the training: expected .*, found"):
        pool.refuse_other_data(other, "2d_tiny", described)


def test_nobody_sees_the_labels(tiny_dataset):
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    labelled = nnUNetDatasetBlosc2(str(Path(tiny_dataset) / DATA), tiny.LESION[:2])
    cases = UnlabelledCases([labelled, nnUNetDatasetBlosc2(str(Path(tiny_dataset) / DATA), tiny.LESION[1:3])])
    assert cases.identifiers == tiny.LESION[:3]
    data, hidden, previous, properties = cases.load_case(tiny.LESION[0])
    shown, seg, *_, expected = labelled.load_case(tiny.LESION[0])
    assert np.array_equal(data[:], shown[:]) and previous is None and properties["shape_before_cropping"]
    assert (seg[:] > 0).any() and set(np.unique(hidden[:])) == {-1, 0}
    assert np.array_equal(hidden[0, 5] < 0, seg[0, 5] < 0) and expected.keys() == properties.keys()
