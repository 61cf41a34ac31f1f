import zipfile

import numpy as np
import pytest

from nnunet_uad.data.probability_files import lesion_probability, probabilities_in


@pytest.fixture
def softmax(tmp_path):
    logits = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    values = (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float16)
    np.savez_compressed(tmp_path / "case.npz", probabilities=values)
    return tmp_path / "case.npz", values, (4, 5, 6)


def test_softmax(softmax):
    path, values, shape = softmax
    assert np.allclose(lesion_probability(path, shape), 1 - values[0].astype(float), atol=1e-3)
    assert np.allclose(lesion_probability(path, shape, [2]), values[2])
    assert np.allclose(lesion_probability(path, shape, [1, 2]), values[1:].astype(np.float32).sum(0), atol=1e-3)
    with pytest.raises(ValueError, match="classes 0 to 2, without 3"):
        lesion_probability(path, shape, [3])


def test_regions(softmax):
    path, values, shape = softmax
    np.savez_compressed(path, probabilities=np.stack([values[0], values[0] / 2]))
    assert np.allclose(lesion_probability(path, shape), values[0])


def test_a_file_that_claims_more_than_it_holds_takes_no_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "case.npz", "w") as archive, archive.open("probabilities.npy", "w") as member:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**45, 4, 5, 6)}
        np.lib.format.write_array_header_2_0(member, header)
        member.write(b"0" * 64)
    with pytest.raises(ValueError, match=r"case.npz is not a readable file .*holds 64 bytes"):
        lesion_probability(tmp_path / "case.npz", (4, 5, 6))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_named(softmax, share):
    path, _, shape = softmax
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="case.npz is not a readable file"):
        lesion_probability(path, shape)


def test_bad_files(softmax, tmp_path):
    path, _, _ = softmax
    with pytest.raises(ValueError, match="has the grid"):
        lesion_probability(path, (4, 5, 7))
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="not a readable file"):
        lesion_probability(path, (4, 5, 6))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="--save_probabilities"):
        probabilities_in([tmp_path / "empty"])
    with pytest.raises(ValueError, match="more than one"):
        probabilities_in([tmp_path, tmp_path])
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        probabilities_in([tmp_path / "nowhere"])
