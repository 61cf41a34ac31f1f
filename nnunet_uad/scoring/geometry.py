"""Maps from the preprocessed grid back to the image they were computed on, and to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import insert_crop_into_image
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.training.atomic import atomic_path


def to_original_geometry(
    volume: np.ndarray,
    properties: dict[str, Any],
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
) -> np.ndarray:
    """Undo nnU-Net's resampling, cropping and transposition for a real-valued map.

    Args:
        volume: (C, z, y, x) on the preprocessed grid.
        properties: what nnU-Net stored when it preprocessed the case.
        plans_manager: of the model.
        configuration_manager: of the model.

    Returns:
        (C, z, y, x) on the grid of the raw image; 0 outside the region that nnU-Net had cropped to.
    """
    shape = properties["shape_after_cropping_and_before_resampling"]
    original = [properties["spacing"][i] for i in plans_manager.transpose_forward]
    current = list(configuration_manager.spacing)
    if len(current) < len(shape):
        current = [original[0], *current]
    resampled = configuration_manager.resampling_fn_probabilities(
        torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32)), shape, current, original
    )
    resampled = np.asarray(resampled, dtype=np.float32)
    full = np.zeros((len(resampled), *properties["shape_before_cropping"]), dtype=np.float32)
    for channel, crop in zip(full, resampled, strict=True):
        insert_crop_into_image(channel, crop, properties["bbox_used_for_cropping"])
    return full.transpose([0, *(i + 1 for i in plans_manager.transpose_backward)])


def write_map(volume: np.ndarray, properties: dict[str, Any], path: Path) -> None:
    """Write a map (z, y, x) as a float image with the header of the raw image, atomically.

    Args:
        volume: on the grid of the raw image.
        properties: as nnU-Net's reader returned them: header of SimpleITK or nibabel readers; images of other
            readers (PNG, TIFF) carry none and get unit spacing.
        path: ending in an image type that SimpleITK writes, e.g. ``.nii.gz``.
    """
    if "nibabel_stuff" in properties:
        _write_nibabel(volume, properties["nibabel_stuff"], path)
        return
    image = SimpleITK.GetImageFromArray(volume.astype(np.float32))
    header = properties.get("sitk_stuff")
    if header is not None:
        image.SetSpacing(header["spacing"])
        image.SetOrigin(header["origin"])
        image.SetDirection(header["direction"])
    with atomic_path(path, keep_suffix=True) as temporary:
        SimpleITK.WriteImage(image, str(temporary), useCompression=True)


def _write_nibabel(volume: np.ndarray, header: dict[str, Any], path: Path) -> None:
    import nibabel
    from nibabel.orientations import io_orientation, ornt_transform

    data = volume.transpose(2, 1, 0).astype(np.float32)
    image = nibabel.Nifti1Image(data, header.get("reoriented_affine", header["original_affine"]))
    if "reoriented_affine" in header:
        # nnU-Net's reorienting reader works in RAS; the way back leads from there to the file's own axes.
        back = ornt_transform(io_orientation(image.affine), io_orientation(header["original_affine"]))
        image = image.as_reoriented(back)
    with atomic_path(path, keep_suffix=True) as temporary:
        nibabel.save(image, temporary)
