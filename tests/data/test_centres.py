import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data.centres import healthy_box_centres, healthy_slice_centres, sample_locations


def test_healthy_slices_hold_no_label_and_stay_inside_the_foreground():
    seg = np.zeros((4, 5, 5), np.int16)
    seg[1, 2, 2] = 1
    seg[2, 0, 0] = 3  # an ignore label is not known to be healthy
    seg[0, :, 0] = -1
    allowed = healthy_slice_centres(seg)
    assert allowed.sum(axis=(1, 2)).tolist() == [20, 0, 0, 25]
    assert not allowed[seg < 0].any()


def _loader_box(centre, shape, patch, final):
    """nnU-Net's get_bbox for a chosen voxel, written out."""
    box = []
    for c, size, p, f in zip(centre, shape, patch, final, strict=True):
        pad = p - f
        if pad + size < p:
            pad = p - size
        lower = max(-pad // 2, c - p // 2)
        box.append(slice(max(0, lower), max(0, lower + p)))
    return tuple(box)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(3, 14)] * 3),
    final=st.tuples(*[st.integers(2, 8)] * 3),
    extra=st.tuples(*[st.integers(0, 5)] * 3),
    seed=st.integers(0, 1000),
)
def test_healthy_boxes_agree_with_the_loaders_boxes(shape, final, extra, seed):
    """Every allowed centre gives a box without lesion, and every other foreground centre one with lesion."""
    rng = np.random.default_rng(seed)
    seg = (rng.random(shape) < 0.02).astype(np.int16)
    patch = [f + e for f, e in zip(final, extra, strict=True)]
    allowed = healthy_box_centres(seg, patch, final)
    for centre in np.ndindex(*shape):
        has_lesion = (seg[_loader_box(centre, shape, patch, final)] > 0).any()
        assert allowed[centre] == (not has_lesion)


def test_sampled_locations_are_rows_of_the_mask_with_a_leading_zero():
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = mask[2, 0, 4] = True
    assert sample_locations(mask, 10, 0).tolist() == [[0, 1, 2, 3], [0, 2, 0, 4]]
    assert len(sample_locations(np.ones((5, 5, 5), bool), 10, 0)) == 10
    assert sample_locations(np.zeros((2, 2, 2), bool), 10, 0).shape == (0, 4)
