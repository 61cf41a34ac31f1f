"""Networks of plans and descriptions; names in them are looked up only if they are networks."""

from __future__ import annotations

import pydoc
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn


def network_from_plans(
    name: str,
    arguments: Mapping[str, Any],
    requires_import: Sequence[str],
    inputs: int,
    outputs: int,
    deep_supervision: bool | None = None,
) -> nn.Module:
    """The network that nnU-Net builds, with fresh weights.

    Plans and the records of weights travel with files of others, and nnU-Net calls whatever function they name.

    Args:
        name: Class of the network.
        arguments: Arguments of that class.
        requires_import: Names of the arguments that name a class.
        inputs: Number of input channels.
        outputs: Number of output channels.
        deep_supervision: Whether heads at lower resolutions give outputs, too; the class's default if ``None``.

    Raises:
        ValueError: A name is no class of a network or layer.
    """
    for key, path in {"network": name, **{key: arguments.get(key) for key in requires_import}}.items():
        if (path is not None or key == "network") and not _is_layer(path):
            raise ValueError(
                f"The description of the network names {str(path)[:100]!r} as its {key}, which is no network or layer "
                "of PyTorch (a subclass of torch.nn.Module); nothing of it was run. Use plans and weights that nnU-Net "
                "and this package wrote."
            )
    return get_network_from_plans(
        name, dict(arguments), requires_import, inputs, outputs, allow_init=True, deep_supervision=deep_supervision
    )


def _is_layer(path: Any) -> bool:
    """Whether a name is that of a class of layers; what cannot be one is not even imported."""
    if not isinstance(path, str) or path.partition(".")[0] in sys.stdlib_module_names or "." not in path:
        return False
    try:
        found = pydoc.locate(path)
    except pydoc.ErrorDuringImport:
        return False
    # nnU-Net finds renamed network classes by their last part itself.
    renamed = found is None and path.startswith("dynamic_network_architectures.")
    return renamed or (isinstance(found, type) and issubclass(found, nn.Module))
