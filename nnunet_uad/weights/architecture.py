"""Networks as plans describe them, and those that others call by a name alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UNETS = "dynamic_network_architectures.architectures.unet."
#: Networks of nnU-Net's plans, which weights can be transferred into.
PLANNED = ("PlainConvUNet", "ResidualEncoderUNet")

#: Arguments of a network of nnU-Net's plans that name a class.
IMPORTED = ("conv_op", "norm_op", "dropout_op", "nonlin")


def arguments_3d(features: Sequence[int], decoder: int, **blocks: Sequence[int]) -> dict[str, Any]:
    """Arguments of a 3D network that halves its maps from stage to stage, with nnU-Net's norms and activations.

    Args:
        features: Number of channels per stage.
        decoder: Number of convolutions in each stage of the decoder.
        blocks: Numbers of blocks or convolutions per stage, under the name that the class has for them.
    """
    stages = len(features)
    return {
        "n_stages": stages,
        "features_per_stage": list(features),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * (stages - 1)],
        **{name: list(numbers) for name, numbers in blocks.items()},
        "n_conv_per_stage_decoder": [decoder] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


# The network that nnssl (architectures/architecture_registry.py, commit 7044864) and nnU-Net's master
# (utilities/get_network_via_name.py, commit 0e49508) build for this name; Wald et al., arXiv:2410.23132.
_RES_ENC_L = arguments_3d((32, 64, 128, 256, 320, 320), 1, n_blocks_per_stage=(1, 3, 4, 6, 6, 6))
#: The second differs in its decoder alone, which has no skip connections and is not transferred.
_PRESETS = {"ResEncL": _RES_ENC_L, "NoSkipResEncL": _RES_ENC_L}


@dataclass(frozen=True)
class Architecture:
    """A network as plans describe it.

    Attributes:
        name: Class of the network, in full where it is one of nnU-Net's plans.
        arguments: Arguments of that class, as in the plans; empty if unknown.
        requires_import: Names of the arguments that name a class.
        called: Name that the file gives it, for people.
    """

    name: str
    arguments: dict[str, Any]
    requires_import: tuple[str, ...] = ()
    called: str = ""

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any] | None, requires_import: tuple[str, ...]) -> Architecture:
        """A network by whatever name a file has for it.

        Args:
            name: Class in full, its last part alone, or a preset such as ``ResEncL``.
            arguments: Arguments of the class; none for a preset.
            requires_import: Names of the arguments that name a class.

        Example:
            >>> Architecture.of("ResEncL", None, ()).name
            'dynamic_network_architectures.architectures.unet.ResidualEncoderUNet'
        """
        if name in _PRESETS and not arguments:
            return cls(f"{_UNETS}ResidualEncoderUNet", dict(_PRESETS[name]), IMPORTED, name)
        full = f"{_UNETS}{name}" if name in PLANNED else name
        return cls(full, dict(arguments or {}), requires_import, name.rsplit(".", 1)[-1])

    @property
    def short(self) -> str:
        """The class without the modules that it lies in."""
        return self.name.rsplit(".", 1)[-1]

    @property
    def is_planned(self) -> bool:
        """Whether plans can describe it: a network of nnU-Net's plans, with its arguments."""
        return self.short in PLANNED and bool(self.arguments)

    def in_plans(self) -> dict[str, Any]:
        """The entry ``architecture`` of a configuration."""
        return {
            "network_class_name": self.name,
            "arch_kwargs": self.arguments,
            "_kw_requires_import": list(self.requires_import),
        }

    def in_words(self) -> str:
        """Name and size, for people."""
        features = self.arguments.get("features_per_stage")
        size = f", features per stage {' '.join(map(str, features))}" if isinstance(features, (list, tuple)) else ""
        alias = f"{self.called}, a " if self.called not in ("", self.short) else ""
        return f"{alias}{self.short}{size}"
