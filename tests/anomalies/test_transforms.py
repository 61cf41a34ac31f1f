import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies.anomaly_settings import ANOMALY_KINDS, AnomalySettings
from nnunet_uad.anomalies.transforms import KINDS, RandomAnomalyTransform

NAMES = ["FLAIR", "T1c"]


def sample(shape, seed=0):
    rng = np.random.default_rng(seed)
    image = torch.from_numpy(rng.standard_normal((2, *shape)).astype(np.float32))
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    return image, torch.from_numpy(((grid**2).sum(0) < 0.8).astype(np.int16))[None]


@pytest.mark.parametrize("shape", [(48, 40), (16, 32, 28)])
@pytest.mark.parametrize("kind", [*ANOMALY_KINDS, ",".join(ANOMALY_KINDS)])
def test_the_mask_is_where_the_image_changed(kind, shape):
    np.random.seed(1)
    options = AnomalySettings(anomalies=kind, anomaly_probability=1.0)
    transform = RandomAnomalyTransform(options, [2.0] * len(shape), NAMES, marker=1, label=3)
    marked = 0
    for seed in range(12):
        image, foreground = sample(shape, seed)
        result = transform(image=image.clone(), segmentation=foreground.clone())
        labels, changed = result["segmentation"][0] == 3, (result["image"] != image).any(0)
        assert set(result["segmentation"].unique().tolist()) <= {0, 3}
        assert result["segmentation"].dtype == torch.int16
        assert not (labels & ~changed).any() and not (changed & (foreground[0] == 0)).any()
        marked += int(labels.any())
    assert marked >= 10


def test_patches_without_the_marker_pass():
    transform = RandomAnomalyTransform(AnomalySettings(), (2.0, 2.0), NAMES, marker=9, label=1)
    image, labels = sample((20, 20))
    result = transform(image=image.clone(), segmentation=labels.clone())
    assert torch.equal(result["image"], image) and torch.equal(result["segmentation"], labels)


def test_numpys_seed_repeats_everything():
    transforms = [RandomAnomalyTransform(AnomalySettings(), (2.0, 2.0), NAMES, 1, 1) for _ in range(2)]
    results = []
    for transform in transforms:
        np.random.seed(7)
        torch.manual_seed(len(results))
        results.append(
            [transform(image=a, segmentation=b)["image"] for a, b in (sample((32, 32), s) for s in range(8))]
        )
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("shape", [(32, 28), (12, 20, 24)])
@pytest.mark.parametrize("kind", [*ANOMALY_KINDS, ",".join(ANOMALY_KINDS)])
def test_drawn_parameters_can_be_applied_again(kind, shape):
    """All randomness is drawn first: what is drawn changes a copy of the sample as it changed the sample."""
    transform = RandomAnomalyTransform(AnomalySettings(anomalies=kind), [2.0] * len(shape), NAMES, 1, 1)
    np.random.seed(5)
    marked = 0
    for seed in range(8):
        image, foreground = sample(shape, seed)
        drawn = transform.get_parameters(image=image, segmentation=foreground)
        assert torch.equal(image, sample(shape, seed)[0]) and torch.equal(foreground, sample(shape, seed)[1])
        position, remembered = np.random.get_state(), len(transform.memory.patches)
        results = [transform.apply({"image": image.clone(), "segmentation": foreground}, **drawn) for _ in range(2)]
        assert all(torch.equal(results[0][key], results[1][key]) for key in ("image", "segmentation"))
        assert all(np.array_equal(a, b) for a, b in zip(position, np.random.get_state(), strict=True))
        assert len(transform.memory.patches) == remembered
        marked += int((results[0]["segmentation"] == 1).any())
    assert marked >= 3


def test_calling_a_transform_is_drawing_and_applying():
    calls = [RandomAnomalyTransform(AnomalySettings(), (2.0, 2.0), NAMES, 1, 1) for _ in range(2)]
    for seed in range(8):
        image, foreground = sample((32, 32), seed)
        np.random.seed(seed)
        called = calls[0](image=image.clone(), segmentation=foreground)
        np.random.seed(seed)
        copy = {"image": image.clone(), "segmentation": foreground}
        applied = calls[1].apply(copy, **calls[1].get_parameters(**copy))
        assert all(torch.equal(called[key], applied[key]) for key in called)


def test_the_probability():
    np.random.seed(0)
    options = AnomalySettings(anomalies="cutpaste", anomaly_probability=0.25)
    transform = RandomAnomalyTransform(options, (2.0, 2.0), NAMES, 1, 1)
    marked = [bool(transform(image=a, segmentation=b)["segmentation"].any()) for a, b in [sample((24, 24))] * 400]
    assert 0.15 < np.mean(marked) < 0.35


@given(st.integers(0, 300))
@settings(max_examples=20, deadline=None)
def test_shifts_are_brighter_on_flair(seed):
    np.random.seed(seed)
    transform = KINDS["shift"](AnomalySettings(anomaly_probability=1.0), (2.0, 2.0), NAMES, 1, 1)
    image, foreground = sample((32, 32))
    result = transform(image=image.clone(), segmentation=foreground)["image"]
    assert bool((result[0] >= image[0]).all())
    darker = KINDS["shift"](AnomalySettings(anomaly_sign="darker"), (2.0, 2.0), NAMES, 1, 1)
    result = darker(image=image.clone(), segmentation=sample((32, 32))[1])["image"]
    assert bool((result <= image).all())


def test_workers_can_be_spawned():
    transform = RandomAnomalyTransform(AnomalySettings(), (2.0, 2.0), NAMES, 1, 1)
    image, foreground = sample((20, 20))
    pickle.loads(pickle.dumps(transform))(image=image, segmentation=foreground)


@pytest.mark.parametrize("seed", range(4))
def test_tissues_are_brighter_than_the_median_on_flair_and_of_the_images_own_scale(seed):
    """An image ten times as bright gets lesions ten times as bright: contrasts are its own."""
    results = []
    for scale in (1.0, 10.0):
        options = AnomalySettings(anomalies="tissue", anomaly_probability=1.0, anomaly_opacity=(1.0, 1.0))
        transform = RandomAnomalyTransform(options, (2.0, 2.0), NAMES, 1, 1)
        image, foreground = sample((64, 64), seed)
        np.random.seed(seed)
        drawn = transform(image=image * scale, segmentation=foreground)
        assert (drawn["segmentation"] == 1).any()
        results.append(drawn["image"][0] / scale)
        inside = (drawn["segmentation"] == 1)[0]
        assert results[-1][inside].median() > image[0][foreground[0] == 1].quantile(0.7)
    assert torch.allclose(*results, atol=1e-4)


def test_small_lesions_of_tissue_are_as_frequent_as_large_ones_and_come_in_numbers():
    options = AnomalySettings(anomalies="tissue", anomaly_probability=1.0, anomaly_size_mm=(4.0, 64.0))
    transform = RandomAnomalyTransform(options, (1.0, 1.0), NAMES, 1, 1)
    image, foreground = sample((96, 96))
    np.random.seed(3)
    drawn = [transform.get_parameters(image=image, segmentation=foreground)["drawn"]["drawn"] for _ in range(200)]
    sizes = np.array([place[0].depth.shape[0] for lesions in drawn for place in lesions["places"]])
    first = np.array([lesions["places"][0][0].depth.shape[0] for lesions in drawn])
    assert 0.3 < (first <= 16).mean() < 0.7
    assert len(sizes) > 1.5 * len(first) and (sizes <= 8).sum() > (sizes >= 48).sum()
