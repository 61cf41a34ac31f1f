"""A pretraining record for tests."""

import os

from nnunet_uad.weights.record import PretrainRecord


def make_record(**changes):
    values = {
        "method": "DAE",
        "trainer": "nnUNetPretrainerDAE",
        "dataset": "Dataset991_Tiny",
        "plans": "nnUNetPlans",
        "configuration": "2d_tiny",
        "fold": "0",
        "cases": ("a", "b"),
        "channel_names": ("FLAIR", "T1"),
        "normalization": ("ZScoreNormalization", "ZScoreNormalization"),
        "spacing": (2.0, 2.0),
        "patch_size": (32, 32),
        "architecture": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "architecture_kwargs": {"n_stages": 3, "strides": [[1, 1], [2, 2], [2, 2]]},
        "architecture_requires_import": ("conv_op",),
        "num_epochs": 2,
        "epochs_trained": 2,
        "iterations_per_epoch": 3,
        "seed": 7,
        "settings": {"noise_std": [0.5, 1.0]},
        "citation": "somebody",
        "versions": {"torch": "2"},
    }
    return PretrainRecord(**{**values, **changes})


class Malicious:
    """What makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)
