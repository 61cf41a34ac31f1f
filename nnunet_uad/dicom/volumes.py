"""A series as an image of SimpleITK: values as the header rescales them, on the grid that the headers say."""

from __future__ import annotations

import numpy as np
import SimpleITK

from nnunet_uad.data.grids import Grid
from nnunet_uad.dicom.series import Series
from nnunet_uad.dicom.slices import grid_of_slices

_INT16 = np.iinfo(np.int16)


def read_series(series: Series) -> SimpleITK.Image:
    """The image of a series: 16-bit or 32-bit integers where the rescaled values are some, else float32.

    Args:
        series: Series that makes a volume.

    Raises:
        ValueError: A file cannot be read, or SimpleITK sees another grid than the headers say.
    """
    # Left to itself the reader takes the type of the first slice and cuts the others' values to it
    # (https://github.com/SimpleITK/SimpleITK/pull/1640): slices may be rescaled each in its own way.
    whole = all(float(v).is_integer() for header in series.headers for v in header.rescale)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(header.path) for header in series.headers])
    reader.SetOutputPixelType(SimpleITK.sitkInt32 if whole else SimpleITK.sitkFloat32)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise ValueError(
            f"{series.words} cannot be read ({str(error).strip().splitlines()[-1]}). Export or copy it again."
        ) from error
    if difference := _grid(image).difference(grid_of_slices(series.headers)):
        raise ValueError(f"{series.words}: SimpleITK sees {difference} by the headers.")
    if whole:
        values = SimpleITK.GetArrayViewFromImage(image)
        if values.min() >= _INT16.min and values.max() <= _INT16.max:
            image = SimpleITK.Cast(image, SimpleITK.sitkInt16)
    return image


def on_grid_of(image: SimpleITK.Image, reference: SimpleITK.Image) -> SimpleITK.Image:
    """An image on the grid of another, linearly, float32; 0 where it does not reach.

    Args:
        image: Image to resample.
        reference: Image that has the grid.
    """
    real = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
    return SimpleITK.Resample(real, reference, SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0)


def _grid(image: SimpleITK.Image) -> Grid:
    return Grid(
        size=image.GetSize(),
        volumes=image.GetNumberOfComponentsPerPixel(),
        spacing=np.array(image.GetSpacing()),
        direction=np.array(image.GetDirection()).reshape(3, 3),
        origin=np.array(image.GetOrigin()),
    )
