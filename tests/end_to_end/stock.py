"""nnU-Net's commands as a user types them, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import SimpleITK
import tiny

#: Suffix of a trainer's name for the shortest training that still has a second epoch.
LENGTH = "_2epochs_2iters"


def predict(
    trainer: str,
    output: Path,
    configuration: str = "2d_tiny",
    fold: int = 0,
    name: str = tiny.DATASET,
    plans: str = "nnUNetPlans",
    probabilities: bool = False,
    processes: int = 0,
) -> np.ndarray:
    """``nnUNetv2_predict`` on the test image; returns the segmentation."""
    from nnunetv2.inference import predict_from_raw_data

    images = Path(os.environ["nnUNet_raw"]) / name / "imagesTs"
    sys.argv = (
        f"nnUNetv2_predict -i {images} -o {output} -d {name} -c {configuration} -f {fold} -tr {trainer} -p {plans} "
        f"-device cpu -npp {processes} -nps {processes} {'--save_probabilities' if probabilities else ''}"
    ).split()
    predict_from_raw_data.predict_entry_point()
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output / "test.nii.gz")))
