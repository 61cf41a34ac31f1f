"""Encoders of AMAES and of the FOMO25 baseline, which share one layout, under the names of nnU-Net's networks.

Both train a U-Net of five stages with two convolutions each as a masked autoencoder that also undoes augmentation.
Their files are the state of a Lightning module, bare (AMAES: src/train.py, lines 248-259, commit a51df88 of
github.com/asbjrnmunk/amaes; published as unet_b_lw_dec_fullaug.pth and unet_xl_lw_dec_fullaug.pth) or inside
``state_dict`` (FOMO25: src/utils/utils.py, lines 53-76, commit d2df6d4 of github.com/fomo25/baseline-codebase). The
names of the tensors are those of ``UNetEncoder`` in src/models/networks/unet.py. Munk et al., arXiv:2408.00640.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nnunet_uad.weights.architecture import IMPORTED, Architecture, arguments_3d
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.tensors import check_tensors

_FIRST, _MEDNEXT = "encoder.in_conv.conv1.conv.weight", "encoder.enc_block_0.0.conv1.weight"
_TENSOR = re.compile(r"encoder\.(in_conv|encoder_conv[1-4])\.conv([12])\.(conv|norm)\.(weight|bias)")
_STAGES = 5
_CITATION = (
    "Munk, A., Ambsdorf, J., Llambias, S., Nielsen, M.: AMAES: Augmented Masked Autoencoder Pretraining on Public "
    "Brain MRI Data for 3D-Native Segmentation. arXiv:2408.00640 (2024)"
)
_REMARKS = (
    "AMAES halves its maps by max pooling where the network of a plan strides: the same weights, another function, "
    "which fine-tuning has to make up for",
    "AMAES clipped each image at the 99th percentile of its foreground before it scaled it to 0..1, "
    "RescaleTo01Normalization does not",
)


def amaes_tensors(content: Any) -> dict[str, torch.Tensor] | None:
    """The tensors of a file of this layout, without the prefixes of Lightning and ``torch.compile``.

    Args:
        content: Content of a file of PyTorch's.

    Returns:
        Tensors of any shape by name, unchecked; ``None`` if the file is of another layout.
    """
    if not isinstance(content, Mapping):
        return None
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        return None
    plain = {name.replace("_orig_mod.", "").removeprefix("model."): tensor for name, tensor in state.items()}
    return plain if _FIRST in plain or _MEDNEXT in plain else None


def read_amaes(path: Path, tensors: Mapping[str, torch.Tensor]) -> SourceWeights:
    """The encoder under the names of PlainConvUNet; what else there is keeps its name and finds no place.

    Args:
        path: File that they were read from.
        tensors: Tensors of any shape by name, of :func:`amaes_tensors`.

    Raises:
        ValueError: A MedNeXt, which is no network of nnU-Net's plans, or tensors that make no such U-Net; names the
            file.
    """
    check_tensors(path, tensors)
    if _FIRST not in tensors:
        raise ValueError(
            f"{path} holds AMAES' MedNeXt, which is no network of nnU-Net's plans. Use a U-Net of the same record "
            "(zenodo.org/records/13604788): unet_b_lw_dec_fullaug.pth or unet_xl_lw_dec_fullaug.pth."
        )
    features, convolutions = _sizes(path, tensors)
    return SourceWeights(
        path,
        "amaes",
        {_plain_name(name): tensor for name, tensor in tensors.items()},
        # What the pretraining saw is not in the file: src/pretrain.py, lines 40 and 64, and the scaling to 0..1 that
        # src/models/self_supervised.py, line 115, insists on (planner with volume_wise_znorm of yucca 1.1.7).
        normalization=("RescaleTo01Normalization",),
        spacing=(1.0, 1.0, 1.0),
        use_mask_for_norm=(False,),
        patch_size=(128, 128, 128),
        architecture=Architecture.of(
            "PlainConvUNet", arguments_3d(features, 2, n_conv_per_stage=convolutions), IMPORTED
        ),
        citation=_CITATION,
        remarks=_REMARKS,
    )


def _plain_name(name: str) -> str:
    found = _TENSOR.fullmatch(name)
    if found is None:
        return name
    block, convolution, layer, kind = found.groups()
    stage = 0 if block == "in_conv" else int(block[-1])
    return f"encoder.stages.{stage}.0.convs.{int(convolution) - 1}.{layer}.{kind}"


def _sizes(path: Path, tensors: Mapping[str, torch.Tensor]) -> tuple[list[int], list[int]]:
    """Features and number of convolutions per stage."""
    features: list[int] = []
    convolutions: list[int] = []
    for block in ("in_conv", *(f"encoder_conv{i}" for i in range(1, _STAGES))):
        found = [tensors.get(f"encoder.{block}.conv{i}.conv.weight") for i in (1, 2)]
        present = [t for t in found if t is not None]
        if not present or found[0] is None or any(tuple(t.shape[2:]) != (3, 3, 3) for t in present):
            raise ValueError(
                f"{path} is named as AMAES' U-Net, but encoder.{block} holds no convolutions of 3x3x3 voxels: it was "
                "cut or altered. Download it again."
            )
        features.append(present[0].shape[0])
        convolutions.append(len(present))
    return features, convolutions
