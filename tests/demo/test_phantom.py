import json

import numpy as np
import pytest

from nnunet_uad.demo import phantom


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_lesions_are_bright_in_the_first_and_dark_in_the_second_channel(seed):
    image, mask = phantom.make_case(seed, True)
    assert image.shape == (2, *phantom.SHAPE) and image.dtype == np.float32
    assert 100 < mask.sum() < 0.1 * mask.size
    assert (image[:, mask > 0] > 0).all(), "lesions lie inside the brain"
    healthy, _ = phantom.make_case(seed, False)
    assert image[0][mask > 0].mean() > healthy[0][mask > 0].mean() + 60
    assert image[1][mask > 0].mean() < healthy[1][mask > 0].mean() - 30


def test_seeds_repeat_and_differ():
    first, again, other = (phantom.make_case(s, False)[0] for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not phantom.make_case(1, False)[1].any()


def test_dataset_is_what_nnunet_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom, "HEALTHY_CASES", 1)
    monkeypatch.setattr(phantom, "LESION_CASES", 1)
    folder = phantom.write_dataset(tmp_path)
    content = json.loads((folder / "dataset.json").read_text())
    assert content["numTraining"] == 2
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(folder), 1)
