import json
import shutil
import warnings

import nibabel
import numpy as np
import pytest
import SimpleITK
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data import content
from nnunet_uad.data.content import (
    CACHE_FILE,
    case_contents,
    channel_fingerprint,
    dataset_contents,
    file_digests,
    image_fingerprints,
    preprocessed_contents,
    raw_contents,
    remember_sources,
)
from nnunet_uad.weights.leakage import Overlap


def image(seed=0, shape=(6, 20, 20)):
    return np.random.default_rng(seed).integers(1, 900, shape).astype(np.int16)


def write(volume, path, compress=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(path), compress)
    return path


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    axes=st.permutations([0, 1, 2]),
    flip=st.sets(st.integers(0, 2)),
    margin=st.integers(0, 3),
    kind=st.sampled_from([np.int16, np.uint16, np.float32, np.float64]),
)
def test_a_copy_is_known_however_it_lies(seed, axes, flip, margin, kind):
    volume = image(seed)
    copy = np.pad(np.flip(volume.transpose(axes), tuple(flip)), margin).astype(kind)
    assert channel_fingerprint(copy) == channel_fingerprint(volume) != ""
    copy[tuple(np.argwhere(copy)[0])] += 1
    assert channel_fingerprint(copy) != channel_fingerprint(volume)


@pytest.mark.parametrize("volume", [np.zeros((4, 4)), np.ones((9, 9)), np.eye(50), np.arange(100) % 12, np.zeros(0)])
def test_a_mask_or_an_empty_channel_tells_nothing(volume):
    assert channel_fingerprint(volume) == ""


@pytest.mark.parametrize(
    "name", ["B.nii", "b .nii.gz", "c.mha", "d.nrrd", "e_copy.nii.gz", "A_0000.NII.GZ".replace("NII.GZ", "nii")]
)
def test_a_raw_copy_is_known_under_other_names_and_endings(tmp_path, name):
    first = write(image(), tmp_path / "A" / "imagesTr" / "a_0000.nii.gz")
    copy = write(image().astype(np.float32), tmp_path / "B" / "imagesTr" / name, compress=False)
    other = write(image(1), tmp_path / "B" / "imagesTr" / "other.nii.gz")
    a, b, c = (raw_contents({"x": [path]})["x"] for path in (first, copy, other))
    assert a == b != c and len(a) == 1


def test_nnunets_other_reader_sees_the_same(tmp_path, monkeypatch):
    path = write(image(), tmp_path / "imagesTr" / "a_0000.nii.gz")
    expected = raw_contents({"a": [path]})
    (tmp_path / CACHE_FILE).unlink()

    def refuse(path):
        raise ValueError("non-orthonormal")

    monkeypatch.setattr(content, "read_image", refuse)
    assert raw_contents({"a": [path]}) == expected and nibabel.load(path).shape == (20, 20, 6)


def test_files_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = write(image(), tmp_path / "imagesTr" / "a_0000.nii.gz")
    first = raw_contents({"a": [path]})
    read = []
    monkeypatch.setattr(content, "channel_fingerprint", lambda values: read.append(1) or "anew")
    assert raw_contents({"a": [path]}) == first and not read
    write(image(1), path)
    assert raw_contents({"a": [path]}) == {"a": ("raw:anew",)} and read == [1]


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"files": 3}', '{"files": {"raw_channels imagesTr/a_0000.nii.gz": 1}}']
)
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    path = write(image(), tmp_path / "imagesTr" / "a_0000.nii.gz")
    first = raw_contents({"a": [path]})
    (tmp_path / CACHE_FILE).write_text(damage)
    assert raw_contents({"a": [path]}) == first and json.loads((tmp_path / CACHE_FILE).read_text())["files"]


def test_where_nothing_can_be_written_a_warning_says_so(tmp_path, monkeypatch):
    path = write(image(), tmp_path / "imagesTr" / "a_0000.nii.gz")

    def refuse(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(content, "write_json", refuse)
    with pytest.warns(UserWarning, match=r"image_contents\.json cannot be written \(Permission denied\)"):
        assert raw_contents({"a": [path]})["a"]


def test_what_cannot_be_read_has_no_fingerprint(tmp_path):
    path = tmp_path / "imagesTr" / "a_0000.nii.gz"
    path.parent.mkdir()
    path.write_bytes(b"no image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert raw_contents({"a": [path], "b": [tmp_path / "imagesTr" / "missing.nii.gz"]}) == {"a": (), "b": ()}
    assert file_digests([path, path.with_name("x")])[path.with_name("x")] == ""


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_data_of_earlier_nnunet_versions(tmp_path, ending):
    data = image(shape=(2, 6, 9, 9)).astype(np.float32)
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / f"a.{ending}"
    np.savez(path, data=data, seg=data[:1]) if ending == "npz" else np.save(path, data)
    assert preprocessed_contents(tmp_path / "data", ["a"])["a"] == image_fingerprints(data)
    path.unlink()
    assert preprocessed_contents(tmp_path / "data", ["a"]) == {"a": ()}


def test_a_renamed_copy_is_found_whichever_dataset_it_is_in(tiny_dataset, workplace, tmp_path):
    """Raw, preprocessed, and in a cohort that remembers what it was made of."""
    data, case = workplace.source / "nnUNetPlans_2d_tiny", tiny.LESION[0]
    known = case_contents(workplace.raw, workplace.source, data, [case, tiny.LESION[1]])
    assert [f.split(":")[0] for f in known[case]] == ["raw", "raw", "data", "data", "array"]
    for suffix in (".b2nd", ".pkl"):
        shutil.copy(data / f"{case}{suffix}", data / f"renamed{suffix}")
    copy = case_contents(None, workplace.source, data, ["renamed"])
    assert Overlap.between(known, copy).copies == (("renamed", case),)
    raw = [workplace.raw / tiny.DATASET / "imagesTr" / f"{case}_{k:04d}.nii.gz" for k in (0, 1)]
    cohort = tmp_path / "Dataset907_Cohort"
    cohort.mkdir()
    remember_sources(cohort, {"u_1": raw})
    assert Overlap.between(known, dataset_contents(None, cohort, ["u_1"])).copies == (("u_1", case),)
    assert not Overlap.between({case: known[case]}, {"u_2": known[tiny.LESION[1]]})
