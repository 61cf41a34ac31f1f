import dicoms
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.slices import depths, grid_of_slices, in_order, spacing_problem


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), gap=st.floats(0.4, 9), origin=st.tuples(*[st.floats(-300, 300)] * 3))
def test_the_grid_of_the_headers_is_that_of_simpleitk(tmp_path_factory, seed, gap, origin):
    folder, axes = tmp_path_factory.mktemp("any"), dicoms.orientation(seed)
    dicoms.write_series(folder, dicoms.voxels(seed), axes=axes, origin=origin, spacing=(gap, 1.5, 1.25))
    headers = in_order(headers_below(folder, print))
    assert spacing_problem(headers) == "" and np.all(np.diff(depths(headers)) > 0)
    grid = grid_of_slices(headers)
    assert grid.size == (6, 7, 5) and grid.spacing == pytest.approx((1.25, 1.5, gap), rel=1e-5)
    np.testing.assert_allclose(grid.direction, dicoms.direction(axes), atol=1e-9)
    np.testing.assert_allclose(grid.origin, origin, atol=1e-7)
    image = SimpleITK.ReadImage([str(h.path) for h in headers])
    np.testing.assert_allclose(image.GetOrigin(), grid.origin, atol=1e-6)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), grid.direction, atol=1e-6)
