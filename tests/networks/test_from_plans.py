import pytest
from torch import nn

from nnunet_uad.networks.from_plans import network_from_plans

UNET = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
ARGUMENTS = {
    "n_stages": 2,
    "features_per_stage": [4, 8],
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "kernel_sizes": [[3, 3]] * 2,
    "strides": [[1, 1], [2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
    "nonlin": "torch.nn.LeakyReLU",
    "dropout_op": None,
}
IMPORTED = ("conv_op", "nonlin", "dropout_op")


def test_the_plans_own_network():
    network = network_from_plans(UNET, ARGUMENTS, IMPORTED, 2, 3, deep_supervision=False)
    assert type(network).__name__ == "PlainConvUNet" and ARGUMENTS["conv_op"].startswith("torch")


@pytest.mark.parametrize(
    ("key", "name"),
    [("nonlin", n) for n in ("os.mkdir", "torch.hub.load", "torch.load", "nn", "numpy.save", "no.such.thing", 5)]
    + [("network", n) for n in ("subprocess.Popen", "builtins.exec", "nnunet_uad.cli.main.main", None)],
)
def test_functions_are_not_called(tmp_path, key, name):
    """A record could name any function, and nnU-Net would call it with arguments of the file's choice."""
    arguments = {**ARGUMENTS, "nonlin_kwargs": {"path": str(tmp_path / "ran")}}
    network = name if key == "network" else UNET
    if key != "network":
        arguments[key] = name
    with pytest.raises(ValueError, match=f"as its {key}, which is no network"):
        network_from_plans(network, arguments, IMPORTED, 2, 3)
    assert not (tmp_path / "ran").exists() and issubclass(nn.LeakyReLU, nn.Module)
