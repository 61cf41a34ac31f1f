import numpy as np
import pytest
import SimpleITK

from nnunet_uad.data.probability_files import lesion_probability, probabilities_in


@pytest.fixture
def softmax(tmp_path):
    logits = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    values = (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float16)
    np.savez_compressed(tmp_path / "case.npz", probabilities=values)
    return tmp_path / "case.npz", values, SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), np.uint8))


def test_softmax(softmax):
    path, values, reference = softmax
    assert np.allclose(lesion_probability(path, reference), 1 - values[0].astype(float), atol=1e-3)
    assert np.allclose(lesion_probability(path, reference, [2]), values[2])
    assert np.allclose(lesion_probability(path, reference, [1, 2]), values[1:].astype(np.float32).sum(0), atol=1e-3)
    with pytest.raises(ValueError, match="classes 0 to 2, without 3"):
        lesion_probability(path, reference, [3])


def test_regions(softmax):
    path, values, reference = softmax
    np.savez_compressed(path, probabilities=np.stack([values[0], values[0] / 2]))
    assert np.allclose(lesion_probability(path, reference), values[0])


def test_bad_files(softmax, tmp_path):
    path, _, _ = softmax
    with pytest.raises(ValueError, match="has the grid"):
        lesion_probability(path, SimpleITK.GetImageFromArray(np.zeros((4, 5, 7), np.uint8)))
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="not a readable file"):
        lesion_probability(path, SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), np.uint8)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="--save_probabilities"):
        probabilities_in([tmp_path / "empty"])
    with pytest.raises(ValueError, match="more than one"):
        probabilities_in([tmp_path, tmp_path])
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        probabilities_in([tmp_path / "nowhere"])
