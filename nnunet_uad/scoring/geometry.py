"""Maps from the preprocessed grid back to the image they were computed on, and to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import insert_crop_into_image
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.whole_image import atomic_image, write_image


def to_original_geometry(
    volume: np.ndarray,
    properties: dict[str, Any],
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
) -> np.ndarray:
    """Undo nnU-Net's resampling, cropping and transposition for a real-valued map.

    Args:
        volume: Map (C, z, y, x) on the preprocessed grid.
        properties: Mapping that nnU-Net stored when it preprocessed the case.
        plans_manager: Plans of the model.
        configuration_manager: Configuration of the model.

    Returns:
        Map (C, z, y, x) on the grid of the raw image; 0 outside the region that nnU-Net had cropped to.
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


def is_natural_image(properties: dict[str, Any]) -> bool:
    """Whether nnU-Net read a 2D natural image (PNG, BMP, TIFF), which has neither header nor spacing."""
    return "sitk_stuff" not in properties and "nibabel_stuff" not in properties and properties["spacing"][0] == 999


def map_ending(file_ending: str) -> str:
    """File ending of real-valued images: the dataset's own, or TIFF where that holds integers only."""
    return ".tif" if file_ending.lower() in (".png", ".bmp") else file_ending


def write_volume(volume: np.ndarray, properties: dict[str, Any], path: Path) -> None:
    """Write a volume (z, y, x) with the header of the raw image, atomically.

    Args:
        volume: Volume on the grid of the raw image; boolean masks are written as 0 and 1 (unsigned bytes), everything
            else as float32.
        properties: Mapping as nnU-Net's reader returned it, with the header of SimpleITK or nibabel readers; images of
            other readers carry none. Natural images are written in 2D, other images without header with unit spacing.
        path: File to write, ending in an image type that SimpleITK (nibabel for its readers) writes, e.g. ``.nii.gz``.
    """
    values = volume.astype(np.uint8 if volume.dtype == bool else np.float32)
    if "nibabel_stuff" in properties:
        _write_nibabel(values, properties["nibabel_stuff"], path)
        return
    image = SimpleITK.GetImageFromArray(values[0] if is_natural_image(properties) else values)
    header = properties.get("sitk_stuff")
    if header is not None:
        image = _with_header(values, header)
    write_image(image, path)


def _with_header(values: np.ndarray, header: dict[str, Any]) -> SimpleITK.Image:
    # nnU-Net's reader adds an axis in front of 2D images of medical formats; their header stays 2D.
    image = SimpleITK.GetImageFromArray(values[0] if len(header["spacing"]) == 2 else values)
    image.SetSpacing(header["spacing"])
    image.SetOrigin(header["origin"])
    image.SetDirection(header["direction"])
    return image


def _write_nibabel(values: np.ndarray, header: dict[str, Any], path: Path) -> None:
    import nibabel
    from nibabel.orientations import io_orientation, ornt_transform

    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), header.get("reoriented_affine", header["original_affine"]))
    if "reoriented_affine" in header:
        # nnU-Net's reorienting reader works in RAS; the way back leads from there to the file's own axes.
        back = ornt_transform(io_orientation(image.affine), io_orientation(header["original_affine"]))
        image = image.as_reoriented(back)
    with atomic_image(path) as temporary:
        nibabel.save(image, temporary)
