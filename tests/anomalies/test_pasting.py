import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies.bank_settings import BLENDS, LesionBankSection
from nnunet_uad.anomalies.blends import without_border
from nnunet_uad.anomalies.lesion_bank import LesionBank
from nnunet_uad.anomalies.pasting import LesionBankTransform, fitted_gradients, harmonic
from nnunet_uad.anomalies.shapes import signed_depth

MARKER, IGNORE, UNKNOWN = 10_000, 7, 8
SHAPES = {2: (64, 56), 3: (16, 40, 36)}


def bank_of(axes, classes=(1, 2), level=5.0, around=1.0):
    """One lesion of two classes, ``level`` above surroundings of ``around``."""
    labels = np.zeros((13, 40, 40), np.int16)
    labels[3:10, 14:24, 14:24] = classes[0]
    labels[3:10, 16:20, 16:20] = classes[1]
    image = np.where(labels > 0, around + level, around).astype(np.float32)
    image = np.stack([image, -image]) + 0.05 * np.random.default_rng(1).standard_normal((2, *labels.shape))
    return LesionBank.cut([("a", image, labels)], (2.0,) * axes)


def host(axes, seed, *, unlabelled=False, lesion=True, ignore=True):
    """A patch with an outside, another lesion and a corner to be ignored; a slope in its brain."""
    shape, rng = SHAPES[axes], np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    labels = np.where((grid**2).sum(0) < 1.2, MARKER if unlabelled else 0, -1).astype(np.int16)
    inner = (slice(6, 9),) * (axes == 3) + (slice(30, 36), slice(20, 26))
    if lesion:
        labels[inner] = 1
    if ignore:
        labels[..., :6] = np.where(labels[..., :6] >= 0, IGNORE, -1)
    image = (np.stack([3 + grid[-1], -2 - grid[-2]]) + 0.05 * rng.standard_normal((2, *shape))) * (labels >= 0)
    return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(labels)[None]


def transform_of(axes, *, unknown=UNKNOWN, probability=1.0, bank=None, **options):
    section = LesionBankSection(**options)
    return LesionBankTransform(
        bank or bank_of(axes), section, (2.0,) * axes, probability=probability, marker=MARKER, unknown=unknown
    )


@pytest.mark.parametrize("axes", [2, 3])
@given(st.sampled_from(BLENDS), st.integers(0, 2**31), st.booleans(), st.booleans())
@example("poisson", 2123, True, False)
@settings(max_examples=15, deadline=None)
def test_only_background_changes(axes, blend, seed, unlabelled, matched):
    """Other lesions, voxels to be ignored and the outside keep their labels and their intensities."""
    np.random.seed(seed)
    image, labels = host(axes, seed, unlabelled=unlabelled)
    result = transform_of(axes, bank_blend=blend, bank_matched=matched)(
        image=image.clone(), segmentation=labels.clone()
    )
    background, after = labels == (MARKER if unlabelled else 0), result["segmentation"]
    assert torch.isfinite(result["image"]).all() and result["image"].abs().max() < 30
    assert torch.equal(after[~background], labels[~background]) and after.dtype == torch.int16
    assert torch.equal(result["image"][:, ~background[0]], image[:, ~background[0]])
    assert set(after[background].tolist()) <= {0, 1, 2, UNKNOWN if unlabelled else 0}
    # What is called background far from the paste is unchanged there, and what carries a class is changed.
    pasted = background & (after > 0) & (after != UNKNOWN)
    changed = (result["image"] != image).any(0)
    assert not (pasted[0] & ~changed).any()
    assert not (changed & (after[0] == UNKNOWN)).any()
    # A voxel at least lies between two lesions.
    near = torch.from_numpy(signed_depth(pasted[0].numpy(), (2.0,) * axes) > -2.0)
    assert not pasted.any() or not (near & (labels[0] == 1)).any()


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("blend", BLENDS)
def test_a_pasted_lesion_differs_from_its_surroundings_as_it_did_before(axes, blend):
    np.random.seed(3)
    transform, found = transform_of(axes, bank_blend=blend), 0
    for seed in range(10):
        image, labels = host(axes, seed, ignore=False, lesion=False)
        result = transform(image=image.clone(), segmentation=labels.clone())
        pasted = result["segmentation"][0] > 0
        if not pasted.any():
            continue
        found += 1
        difference = result["image"] - image
        # Away from the edge that interpolation has blurred.
        core = torch.from_numpy(signed_depth(pasted.numpy(), (2.0,) * axes) > 3.0)
        assert difference[0][core].mean() == pytest.approx(5.0, abs=0.4)
        assert difference[1][core].mean() == pytest.approx(-5.0, abs=0.4)
    assert found >= 8


def test_intensities_as_they_were_if_so_wanted():
    np.random.seed(1)
    image, labels = host(2, 1, ignore=False, lesion=False)
    options = {"bank_blend": "cut", "bank_scale": (1.0, 1.0), "bank_matched": False}
    result = transform_of(2, **options)(image=image, segmentation=labels)
    pasted = result["segmentation"][0] > 0
    assert pasted.any() and result["image"][0][pasted].mean() == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_drawn_parameters_can_be_applied_again(axes, unlabelled):
    transform, pasted = transform_of(axes), 0
    np.random.seed(5)
    for seed in range(6):
        image, labels = host(axes, seed, unlabelled=unlabelled)
        drawn = transform.get_parameters(image=image, segmentation=labels)
        assert torch.equal(image, host(axes, seed, unlabelled=unlabelled)[0])
        position = np.random.get_state()[1].copy()
        results = [transform.apply({"image": image.clone(), "segmentation": labels}, **drawn) for _ in range(2)]
        assert all(torch.equal(results[0][key], results[1][key]) for key in ("image", "segmentation"))
        assert np.array_equal(position, np.random.get_state()[1])
        assert torch.equal(labels, host(axes, seed, unlabelled=unlabelled)[1])
        pasted += bool((results[0]["segmentation"] == 2).any())
    assert pasted >= 3


@pytest.mark.parametrize("unknown", [UNKNOWN, None])
def test_of_unlabelled_patches_only_the_surroundings_of_a_lesion_are_known(unknown):
    np.random.seed(2)
    image, labels = host(2, 0, unlabelled=True, lesion=False, ignore=False)
    after = transform_of(2, unknown=unknown, probability=0.0)(image=image, segmentation=labels.clone())["segmentation"]
    inside = labels[0] == MARKER
    known = (after[0] != UNKNOWN) & inside
    if unknown is None:
        assert torch.equal(known, inside)
    else:
        rows, columns = known.any(1).sum(), known.any(0).sum()
        assert (after > 0).any() and known.sum() < inside.sum() / 2 and rows * columns >= known.sum() > 0
    # Without room for a lesion nothing is known.
    small = labels.clone()
    small[:, 2:] = -1
    nothing = transform_of(2, unknown=unknown)(image=image, segmentation=small.clone())["segmentation"]
    assert set(nothing[small == MARKER].tolist()) <= {0 if unknown is None else UNKNOWN}


def test_annotated_patches_get_lesions_with_the_probability():
    np.random.seed(1)
    image, labels = host(2, 0, lesion=False, ignore=False)
    counts = {}
    for probability in (0.0, 0.3):
        transform = transform_of(2, probability=probability)
        results = [transform(image=image.clone(), segmentation=labels.clone()) for _ in range(200)]
        counts[probability] = sum(bool((r["segmentation"] > 0).any()) for r in results)
    assert counts[0.0] == 0 and 35 < counts[0.3] < 85


def test_every_channel_of_a_cascades_labels_gets_the_lesion():
    np.random.seed(1)
    image, labels = host(2, 0, lesion=False, ignore=False)
    earlier = torch.zeros_like(labels)
    after = transform_of(2)(image=image, segmentation=torch.cat([labels, earlier]))["segmentation"]
    assert (after[0] == 2).any() and torch.equal(after[0] == 2, after[1] == 2)


def test_a_lesion_that_the_patch_cuts_off_does_not_fade_there():
    """On the border of the patch the surroundings' mean is fitted, not the host."""
    (lesion,) = bank_of(2, classes=(1, 1)).lesions[:1]
    middle = lesion.labels.shape[0] // 2
    half = type(lesion)(
        "a", lesion.image[:, :middle], lesion.labels[:middle], lesion.healthy[:middle], lesion.depth[:middle]
    )
    quiet = np.full_like(half.image, 2.0)
    everywhere = np.ones(half.labels.shape, bool)
    change = fitted_gradients(half, quiet, everywhere, half.healthy & (half.depth < -2))
    assert change[0, -1][half.labels[-1] > 0].mean() == pytest.approx(5.0, abs=0.3)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_coarse_grid_gives_nearly_the_same(axes, monkeypatch):
    lesion = bank_of(axes).lesions[0].scaled(2.0)
    slope = np.linspace(0, 2, lesion.labels.shape[-1], dtype=np.float32) * np.ones_like(lesion.image)
    arguments = (lesion, slope, np.ones(lesion.labels.shape, bool), lesion.healthy & (lesion.depth < -2))
    exact = fitted_gradients(*arguments)
    monkeypatch.setattr("nnunet_uad.anomalies.pasting.POISSON_VOXELS", lesion.labels.size // 6)
    coarse = fitted_gradients(*arguments)
    inside = lesion.depth > -4
    assert 0 < np.abs(coarse - exact)[:, inside].mean() < 0.1


@given(st.lists(st.integers(1, 12), min_size=2, max_size=3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_harmonic_field_is_what_is_left_of_the_exact_solution(shape, seed):
    values = np.random.default_rng(seed).standard_normal((2, *shape)).astype(np.float32)
    assert np.allclose(harmonic(values), values - without_border(values), atol=1e-4)
