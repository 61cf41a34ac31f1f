"""A dataset whose patches are centred on chosen voxels only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.data.centres import sample_locations

# nnU-Net keeps 10,000 locations per class and case as well.
LOCATIONS_PER_CASE = 10_000


class CentredDataset:
    """An nnU-Net dataset that offers chosen voxels as the only foreground class.

    With ``oversample_foreground_percent = 1`` nnU-Net's loader then centres every patch on one of them; the
    loader itself stays untouched.

    Args:
        dataset: any nnU-Net dataset.
        locations: rows of (0, z, y, x) per case; cases without locations are left out.
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


def find_locations(dataset: Any, allowed: Callable[[np.ndarray], np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Apply ``allowed`` (labels (z, y, x) → mask of centres) to every case; at most 10,000 voxels each.

    Cases are read once, in parallel, with a progress bar.
    """

    def locate(key: str) -> np.ndarray:
        seg = np.asarray(dataset.load_case(key)[1][:])[0]
        return sample_locations(allowed(seg), LOCATIONS_PER_CASE, seed)

    keys = list(dataset.identifiers)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = list(tqdm(pool.map(locate, keys), total=len(keys), desc="finding patch centres", leave=False))
    return dict(zip(keys, found, strict=True))
