"""Trained nnU-Net models in this process: load a fold, segment raw images, keep the probabilities in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.common.devices import require_device
from nnunet_uad.common.nnunet_files import RESTORE, load_dataset_json, load_plans
from nnunet_uad.common.precision import PRECISIONS, keep_precision
from nnunet_uad.common.schema import shown
from nnunet_uad.common.whole_image import atomic_image
from nnunet_uad.data.image_files import ENDINGS
from nnunet_uad.weights.checkpoint import MODEL, no_code, read_checkpoint


def load_segmenter(model: Path, fold: str | Sequence[str], checkpoint: str, mirroring: bool, device: str) -> Any:
    """nnU-Net's predictor of a model, as ``nnUNetv2_predict`` makes it, in the training's precision.

    Args:
        model: Folder of the model in nnUNet_results.
        fold: Fold, a number or ``all``; of several the mean is predicted.
        checkpoint: Name of the checkpoint.
        mirroring: Whether to use the test-time mirroring that the training allows.
        device: Device to compute on.

    Raises:
        RuntimeError: The device is not there.
        FileNotFoundError: The fold lacks the checkpoint.
        ValueError: The checkpoint would run code, is damaged, does not fit the model's plans or records a precision
            that there is not; names the file.
    """
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    require_device(device)
    plans = load_plans(model / "plans.json", RESTORE)
    load_dataset_json(model / "dataset.json", RESTORE)
    folds = (fold,) if isinstance(fold, str) else tuple(fold)
    # nnU-Net would unpickle whatever the files hold: they are checked before, and read without code again.
    loaded = [read_checkpoint(model / f"fold_{f}" / checkpoint, MODEL) for f in folds]
    for stored in loaded:
        stored.refuse_other_plans(plans)
    with redirect_stdout(io.StringIO()), no_code(), _told(loaded[0].path):
        predictor = nnUNetPredictor(use_mirroring=mirroring, device=torch.device(device), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), folds, checkpoint)
    for stored in loaded:
        # Whole numbers would be loaded as weights without a word.
        stored.refuse_other_network(getattr(predictor.network, "_orig_mod", predictor.network))
    # Trainers of others record nothing, and are run as nnU-Net runs them.
    recorded = loaded[0].run.get("settings", {}).get("amp")
    if recorded is not None:
        if recorded not in PRECISIONS:
            raise ValueError(f"{loaded[0].path}: amp expects one of {', '.join(PRECISIONS)}, found {shown(recorded)}.")
        keep_precision(predictor.network, recorded, predictor.device)
    return predictor


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Weights that do not fit are told with the file's name, without PyTorch's list of every tensor."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        lines = [line.strip() for line in str(error).splitlines()]
        raise ValueError(
            f"{path} does not hold the weights of its model's network: {' '.join(lines[1:2])[:300]} It was altered, or "
            "written with other plans; repeat the training."
        ) from error


def segment(predictor: Any, images: Sequence[Path], output: Path) -> np.ndarray:
    """Segment one case and write the segmentation.

    Args:
        predictor: Predictor of :func:`load_segmenter`.
        images: Files, one per channel.
        output: File of the segmentation to write.

    Returns:
        Probabilities (classes or regions, z, y, x) on the grid of the image, as nnU-Net's reader orders the axes.

    Raises:
        ValueError: The output has no ending of an image.
    """
    files = [str(p) for p in images]
    segmentation, probabilities = segmented(predictor, images)
    reader = predictor.plans_manager.image_reader_writer_class()
    properties = reader.read_images(files)[1]
    if not output.name.lower().endswith(ENDINGS):
        raise ValueError(f"{output.name} has none of the endings {', '.join(ENDINGS)}.")
    with atomic_image(output) as temporary:
        reader.write_seg(segmentation, str(temporary), properties)
    return probabilities


def segmented(predictor: Any, images: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Segment one case in memory; nothing is written.

    Args:
        predictor: Predictor of :func:`load_segmenter`.
        images: Files, one per channel.

    Returns:
        Segmentation (z, y, x) and probabilities (classes or regions, z, y, x) on the grid of the image, as nnU-Net's
        reader orders the axes.
    """
    files = [str(p) for p in images]
    # One by one and in memory: probabilities of raw size take longer to write than to make.
    with redirect_stdout(io.StringIO()):
        segmentation, probabilities = predictor.predict_from_files_sequential([files], None, save_probabilities=True)[0]
    return np.asarray(segmentation), np.asarray(probabilities)
