import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nnunet_uad.screening.findings import KNOWN, UNKNOWN, Case, findings_of, voxel_size, world_position

SPACING = (3.0, 1.0, 2.0)
HEADER = {"spacing": SPACING[::-1], "origin": (5.0, 6.0, 7.0), "direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}
PROPERTIES = {"spacing": list(SPACING), "sitk_stuff": HEADER}


def random_case(seed, shape=(5, 9, 8)):
    rng = np.random.default_rng(seed)
    segmentation = (rng.random(shape) < 0.05).astype(np.uint8) * rng.integers(1, 3, shape).astype(np.uint8)
    unknown = (rng.random(shape) < 0.08) & (segmentation == 0)
    scores = rng.random(shape).astype(np.float32)
    return Case(segmentation, unknown, scores, scores + 3 * (segmentation > 0), PROPERTIES)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 6.0, 13.0, 1e6]))
def test_findings_are_what_the_masks_hold(seed, least):
    case = random_case(seed)
    findings, labels = findings_of(case, {1: "lesion", 2: "core"}, least)
    known, unknown = ([f for f in findings if f.kind == kind] for kind in (KNOWN, UNKNOWN))
    assert sum(f.voxels for f in known) == (case.segmentation > 0).sum()
    assert all(f.volume_mm3 >= least and f.volume_mm3 == 6 * f.voxels for f in unknown)
    assert sorted(f.number for f in unknown) == list(range(1, labels.max() + 1))
    for finding in unknown:
        inside = labels == finding.number
        assert not (inside & ~case.unknown).any() and finding.voxels == inside.sum() and finding.label == ""
        assert finding.peak_score == case.combined[inside].max() and finding.peak_map == case.scores[inside].max()
        assert finding.mean_score == pytest.approx(case.combined[inside].mean())
        assert inside[finding.slice].sum() == inside.sum((1, 2)).max()
        x, y, z = np.argwhere(inside).mean(0)[::-1] * SPACING[::-1] + HEADER["origin"]
        assert (finding.x_mm, finding.y_mm, finding.z_mm) == pytest.approx((x, y, z))
    if least == 0:
        np.testing.assert_array_equal(labels > 0, case.unknown)
    peaks = [f.peak_score for f in findings]
    assert peaks == sorted(peaks, reverse=True)
    assert [f.number for f in unknown] == list(range(1, len(unknown) + 1)), "the highest has the lowest number"


def test_a_known_finding_is_named_by_most_of_its_voxels():
    segmentation = np.zeros((1, 3, 6), np.uint8)
    segmentation[0, :, :3], segmentation[0, 1, 1] = 1, 2
    scores = np.ones(segmentation.shape, np.float32)
    case = Case(segmentation, np.zeros(segmentation.shape, bool), scores, scores, PROPERTIES)
    (finding,), labels = findings_of(case, {1: "oedema", 2: "core"}, 1e9)
    assert (finding.label, finding.voxels, labels.max()) == ("oedema", 9, 0)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_positions_are_those_of_simpleitk_and_nibabel(seed):
    rng = np.random.default_rng(seed)
    axes = Rotation.random(random_state=int(seed % 2**31)).as_matrix()
    header = {"spacing": tuple(rng.uniform(0.5, 4, 3)), "origin": tuple(rng.uniform(-90, 90, 3))}
    header["direction"] = tuple(axes.ravel())
    image = SimpleITK.Image(9, 8, 7, SimpleITK.sitkUInt8)
    image.SetSpacing(header["spacing"])
    image.SetOrigin(header["origin"])
    image.SetDirection(header["direction"])
    index = rng.uniform(0, 6, 3)
    expected = image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index[::-1]])
    spacing = list(header["spacing"][::-1])
    assert world_position(index, {"sitk_stuff": header, "spacing": spacing}) == pytest.approx(expected)
    affine = np.eye(4)
    affine[:3, :3] = np.diag((-1, -1, 1)) @ axes * header["spacing"]
    affine[:3, 3] = np.array((-1, -1, 1)) * header["origin"]
    stored = {"nibabel_stuff": {"original_affine": nibabel.Nifti1Image(np.zeros((9, 8, 7)), affine).affine}}
    assert world_position(index, {**stored, "spacing": spacing}) == pytest.approx(expected)


def test_images_of_two_axes_and_without_header():
    slices = {
        "sitk_stuff": {"spacing": (2.0, 3.0), "origin": (1, 1), "direction": (1, 0, 0, 1)},
        "spacing": [2997, 3, 2],
    }
    assert voxel_size(slices) == (1, 3, 2) and world_position((0, 1, 1), slices) == (3, 4, 0)
    photograph = {"spacing": (999, 1, 1)}
    assert voxel_size(photograph) == (1, 1, 1) and world_position((0, 4, 5), photograph) == (5, 4, 0)
    tiff = {"spacing": (3.0, 2.0, 1.0)}
    assert voxel_size(tiff) == (3, 2, 1) and world_position((1, 1, 1), tiff) == (1, 2, 3)
