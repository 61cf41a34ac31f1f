"""A scored case on the grid of its raw image, slices first: pictures then name slices as viewers do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.scoring.geometry import is_natural_image


def on_raw_grid(case: ScoredCase, model: ModelPlan) -> ScoredCase:
    """The case as its raw image lies, its axes in the order of the plan.

    Args:
        case: Case on the preprocessed grid.
        model: Plan of the model.

    Returns:
        Case whose slices have the indices of the raw image, along the axis :func:`slice_axis`.
    """
    order = [int(a) for a in model.plans.transpose_forward]

    def raw(volume: np.ndarray) -> np.ndarray:
        """A volume (C, z, y, x), on the raw grid and turned to the plan's order."""
        return model.original_geometry(volume, case.properties).transpose(0, *(a + 1 for a in order))

    spacing = [1.0 if is_natural_image(case.properties) else float(case.properties["spacing"][a]) for a in order]
    return replace(
        case,
        image=raw(case.image),
        reconstruction=None if case.reconstruction is None else raw(case.reconstruction),
        foreground=raw(case.foreground[None].astype(np.float32))[0] > 0.5,
        score=raw(case.score[None])[0],
        spacing=tuple(spacing),
        detection=None,
        features=None,
        spread=None,
    )


def slice_axis(model: ModelPlan) -> int:
    """Axis of the raw image (z, y, x) along which the plan's slices lie.

    Args:
        model: Plan of the model.
    """
    return int(model.plans.transpose_forward[0])


def axis_name(axis: int) -> str:
    """Name of an axis of the values (z, y, x), as viewers and files count them: ``z`` is the last of a NIfTI file.

    Args:
        axis: Axis of the values.

    Example:
        >>> axis_name(0), axis_name(2)
        ('z', 'x')
    """
    return "zyx"[axis]
