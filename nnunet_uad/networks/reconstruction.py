"""The plan's own network with as many outputs as inputs: an image in, an image out."""

from __future__ import annotations

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn


def build_reconstruction_network(
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
    num_input_channels: int,
    num_output_channels: int,
    enable_deep_supervision: bool = False,
) -> nn.Module:
    """Build the network of the plan as a reconstructor.

    The argument list is that of nnU-Net's ``build_network_architecture``; the number of segmentation heads and
    deep supervision do not apply and are ignored.

    Returns:
        A network mapping (B, C, *spatial) to (B, C, *spatial), C = ``num_input_channels``. Every weight but
        the last 1x1 convolutions is one that the segmentation network of the same plan has too.
    """
    network = get_network_from_plans(
        configuration_manager.network_arch_class_name,
        configuration_manager.network_arch_init_kwargs,
        configuration_manager.network_arch_init_kwargs_req_import,
        num_input_channels,
        num_input_channels,
        allow_init=True,
        deep_supervision=False,
    )
    # nnU-Net builds the heads of deep supervision even where it is off; unused but trainable, they stop DDP.
    for head in network.decoder.seg_layers[:-1]:
        head.requires_grad_(False)
    return network
