"""Geometry of a stack of slices: their order, whether one is missing, and the grid that they make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.data.grids import Grid
from nnunet_uad.dicom.headers import Header

#: How far a distance of slices may be from the median one, as its share; positions are rounded in the header.
_REGULAR = 0.01
#: How far slices may be shifted sideways against each other, as a share of a pixel.
_SIDEWAYS = 0.05
#: How far directions may be from unit length and right angles.
_RIGHT = 1e-3


def axes_of(header: Header) -> np.ndarray:
    """Directions of x, y and z: along a row, along a column, and from slice to slice, a column each.

    Args:
        header: Header of a slice, which has an orientation.

    Returns:
        Directions (3, 3) of unit length.
    """
    row, column = np.array(header.orientation, dtype=np.float64).reshape(2, 3)
    return np.stack([row, column, np.cross(row, column)], axis=1)


def depths(headers: Sequence[Header]) -> np.ndarray:
    """Positions of slices along their normal, mm.

    Args:
        headers: Headers of slices of one orientation.

    Returns:
        Positions (z,), mm.
    """
    return np.array([h.position for h in headers], dtype=np.float64) @ axes_of(headers[0])[:, 2]


def in_order(headers: Sequence[Header]) -> list[Header]:
    """Slices along their normal, whatever their names and numbers say: SimpleITK's third axis then is that normal.

    Args:
        headers: Headers of slices of one orientation, in any order.
    """
    return [headers[k] for k in np.argsort(depths(headers), kind="stable")]


def spacing_problem(headers: Sequence[Header]) -> str:
    """Why slices in order make no volume; empty if they do.

    Args:
        headers: Headers of slices in order.

    Returns:
        Words that name the slices where something is missing, doubled or shifted.
    """
    axes = axes_of(headers[0])
    if np.abs(axes.T @ axes - np.eye(3)).max() > _RIGHT:
        return "rows and columns that are not at right angles (ImageOrientationPatient)"
    if not headers[0].spacing or min(headers[0].spacing) <= 0:
        return "a pixel spacing that is not above 0"
    if len(headers) < 2:
        return "a single slice, which is no volume"
    places = depths(headers)
    steps = np.diff(places)
    usual = float(np.median(steps))
    same = int(np.count_nonzero(steps < max(1e-3, _REGULAR * usual)))
    if same:
        return (
            f"{len(headers)} images at {len(headers) - same} positions: several echoes, time points or weightings; "
            "split the series"
        )
    off = np.flatnonzero(np.abs(steps - usual) > _REGULAR * usual)
    if len(off):
        k = int(off[0])
        return (
            f"slices {k + 1} and {k + 2} are {steps[k]:.4g} mm apart where {usual:.4g} mm is usual: a slice is "
            "missing, or they are not evenly spaced"
        )
    sideways = (np.array([h.position for h in headers]) - np.array(headers[0].position)) @ axes[:, :2]
    if np.abs(sideways).max() > _SIDEWAYS * min(headers[0].spacing):
        return f"slices that are shifted sideways by {np.abs(sideways).max():.3g} mm (a tilted gantry?)"
    return ""


def grid_of_slices(headers: Sequence[Header]) -> Grid:
    """The grid of a volume.

    Args:
        headers: Headers of slices in order that make a volume.
    """
    rows, columns = headers[0].size or (0, 0)
    down, across = headers[0].spacing or (0.0, 0.0)
    places = depths(headers)
    return Grid(
        size=(columns, rows, len(headers)),
        volumes=1,
        spacing=np.array([across, down, (places[-1] - places[0]) / (len(places) - 1)]),
        direction=axes_of(headers[0]),
        origin=np.array(headers[0].position, dtype=np.float64),
    )
