"""The plan's own network with as many outputs as inputs: an image in, an image out."""

from __future__ import annotations

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn


def build_plan_network(manager: ConfigurationManager, channels: int, outputs: int) -> nn.Module:
    """Build the network of the plan with ``outputs`` channels and without deep supervision.

    Returns:
        A network mapping (B, channels, *spatial) to (B, outputs, *spatial). Every weight but the last 1x1
        convolutions is one that the segmentation network of the same plan has too.
    """
    network = get_network_from_plans(
        manager.network_arch_class_name,
        manager.network_arch_init_kwargs,
        manager.network_arch_init_kwargs_req_import,
        channels,
        outputs,
        allow_init=True,
        deep_supervision=False,
    )
    return without_unused_heads(network)


def without_unused_heads(network: nn.Module) -> nn.Module:
    """Freeze the heads of deep supervision, which nnU-Net builds even where it is off.

    Unused but trainable, they stop DDP.
    """
    for head in network.decoder.seg_layers[:-1]:
        head.requires_grad_(False)
    return network
