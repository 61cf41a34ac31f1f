"""Where patches may lie, and a dataset whose patches are centred on such voxels only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.data.centres import foreground_centres, healthy_box_centres, healthy_slice_centres, sample_locations

# nnU-Net keeps 10,000 locations per class and case as well.
LOCATIONS_PER_CASE = 10_000


class CentredDataset:
    """An nnU-Net dataset that offers chosen voxels as the only foreground class.

    With ``oversample_foreground_percent = 1`` nnU-Net's loader then centres every patch on one of them; the
    loader itself stays untouched.

    Args:
        dataset: Any nnU-Net dataset.
        locations: Rows of (0, z, y, x) per case; cases without locations are left out.
    """

    def __init__(self, dataset: Any, locations: Mapping[str, np.ndarray]) -> None:
        self.dataset = dataset
        self.locations = {key: value for key, value in locations.items() if len(value)}
        self.identifiers = [key for key in dataset.identifiers if key in self.locations]

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        """As the wrapped dataset, with the chosen voxels as ``class_locations``."""
        data, seg, seg_prev, properties = self.dataset.load_case(identifier)
        return data, seg, seg_prev, {**properties, "class_locations": {1: self.locations[identifier]}}

    def __getitem__(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        return self.load_case(identifier)


def healthy_patches(
    dataset: Any,
    loaded_patch: Sequence[int],
    final_patch: Sequence[int],
    *,
    sampling: str = "healthy",
    least_foreground: int = 1,
    seed: int = 0,
    advice: str | None = None,
) -> dict[str, np.ndarray]:
    """Centres of the patches that may be drawn from each case; refuses if there is none and ``advice`` is given.

    Args:
        dataset: Any nnU-Net dataset; its cases are read once.
        loaded_patch: Voxels that nnU-Net's loader cuts out, before spatial augmentation (its initial patch size); two
            axes for slices, three for boxes.
        final_patch: Voxels that the network sees, as many axes; the loader's padding follows from the difference.
        sampling: ``healthy`` for patches without labelled voxels (slices where patches have two axes), ``anywhere`` for
            any patch centred in the image's nonzero region.
        least_foreground: Voxels in the nonzero region that a healthy slice must have; boxes are not asked for it.
        seed: Seed of the choice among more than 10,000 centres of a case.
        advice: Sentences that end the refusal: what the user can do, with the command. Without advice nothing is
            refused.

    Returns:
        Rows of (0, z, y, x) for each case that has any, in the order of the dataset.

    Raises:
        ValueError: No case has a patch, and there is advice.
    """

    def allowed(seg: np.ndarray) -> np.ndarray:
        """Where patches of a case (z, y, x) may be centred."""
        if sampling == "anywhere":
            return foreground_centres(seg)
        if len(final_patch) == 2:
            return healthy_slice_centres(seg, least_foreground)
        return healthy_box_centres(seg, loaded_patch, final_patch)

    locations = {key: rows for key, rows in find_locations(dataset, allowed, seed).items() if len(rows)}
    if advice is not None and not locations:
        patch = _in_words(sampling, loaded_patch, least_foreground)
        raise ValueError(f"None of the {len(dataset.identifiers)} training cases has {patch}. {advice}")
    return locations


def _in_words(sampling: str, loaded_patch: Sequence[int], least_foreground: int) -> str:
    if sampling == "anywhere":
        return "a voxel that is not background"
    if len(loaded_patch) == 3:
        return f"a patch of {tuple(int(p) for p in loaded_patch)} voxels without labelled voxels"
    room = f" and with at least {least_foreground} foreground voxels" if least_foreground > 1 else ""
    return f"a slice without labelled voxels{room}"


def find_locations(dataset: Any, allowed: Callable[[np.ndarray], np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Voxels of every case on which a patch may be centred; cases are read once, in parallel, with a progress bar.

    Args:
        dataset: Any nnU-Net dataset.
        allowed: Function from a case's labels (z, y, x), −1 outside the nonzero region, to a mask of centres.
        seed: Seed of the choice among more than 10,000 centres of a case.

    Returns:
        Rows of (0, z, y, x) for every case, at most 10,000; none where no voxel is allowed.
    """

    def locate(key: str) -> np.ndarray:
        """Rows of (0, z, y, x) of a case."""
        seg = np.asarray(dataset.load_case(key)[1][:])[0]
        # Every worker of the data loading gets its copy of the rows.
        return sample_locations(allowed(seg), LOCATIONS_PER_CASE, seed).astype(np.int32)

    keys = list(dataset.identifiers)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        rows = list(tqdm(pool.map(locate, keys), total=len(keys), desc="finding patch centres", leave=False))
    return dict(zip(keys, rows, strict=True))
