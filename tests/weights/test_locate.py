import re
from pathlib import Path

import pytest

from nnunet_uad.weights.locate import WeightQuery, locate_pretrained

QUERY = {
    "dataset": "Dataset001_A",
    "plans": "nnUNetPlans",
    "configuration": "2d",
    "fold": "0",
    "pretrainer": "nnUNetPretrainerDAE",
}


def put(results: Path, trainer="nnUNetPretrainerDAE", fold="0", dataset="Dataset001_A") -> Path:
    path = results / dataset / f"{trainer}__nnUNetPlans__2d" / f"fold_{fold}" / "pretrained.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    return path


def query(results: Path) -> WeightQuery:
    return WeightQuery(results, **QUERY)


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv("nnUNet_uad_pretrained", raising=False)


def test_order_same_fold_before_all(tmp_path):
    every = put(tmp_path, fold="all")
    assert locate_pretrained(query(tmp_path))[0] == every
    same = put(tmp_path)
    assert locate_pretrained(query(tmp_path))[0] == same


def test_the_variable_comes_first(tmp_path, monkeypatch):
    put(tmp_path)
    named = tmp_path / "mine.safetensors"
    named.write_bytes(b"")
    monkeypatch.setenv("nnUNet_uad_pretrained", str(named))
    path, why = locate_pretrained(query(tmp_path))
    assert path == named and "nnUNet_uad_pretrained" in why


def test_a_variable_that_names_nothing_is_refused_and_not_passed_over(tmp_path, monkeypatch):
    put(tmp_path)
    monkeypatch.setenv("nnUNet_uad_pretrained", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="names no file.*unset nnUNet_uad_pretrained"):
        locate_pretrained(query(tmp_path))


def test_another_length_counts_if_it_is_the_only_one(tmp_path):
    short = put(tmp_path, "nnUNetPretrainerDAE_5epochs")
    put(tmp_path, "nnUNetPretrainerDAEOther")
    assert locate_pretrained(query(tmp_path))[0] == short
    put(tmp_path, "nnUNetPretrainerDAE_9epochs_2iters")
    with pytest.raises(ValueError, match="Several pretrainings"):
        locate_pretrained(query(tmp_path))
    plain = put(tmp_path)
    assert locate_pretrained(query(tmp_path))[0] == plain


def test_nothing_found_names_paths_candidates_and_command(tmp_path):
    other = put(tmp_path, dataset="Dataset002_B")
    with pytest.raises(FileNotFoundError, match="nnUNetv2_train Dataset001_A 2d 0") as caught:
        locate_pretrained(query(tmp_path))
    text = str(caught.value)
    folder = tmp_path / "Dataset001_A" / "nnUNetPretrainerDAE__nnUNetPlans__2d"
    assert str(folder / "fold_0" / "pretrained.safetensors") in text
    assert str(folder / "fold_all" / "pretrained.safetensors") in text
    assert f"export nnUNet_uad_pretrained={other}" in text
    assert re.search(r"nnUNetv2_train Dataset001_A 2d 0 -tr nnUNetPretrainerDAE -p nnUNetPlans", text)
