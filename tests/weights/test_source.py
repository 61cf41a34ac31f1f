from pathlib import Path

import torch

from nnunet_uad.weights.source import SourceWeights


def made(**shapes):
    tensors = {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}
    return SourceWeights(Path("x"), "safetensors", tensors)


def test_channels_are_those_of_the_stem_wherever_it_stands():
    source = made(encoder__stages__0__w=(8, 8, 3, 3, 3), encoder__stem__norm=(8,), encoder__stem__w=(8, 3, 3, 3, 3))
    assert (source.channels, source.dimension) == (3, 3)


def test_nothing_is_guessed():
    assert (made(a=(2,)).channels, made(a=(2,)).dimension, made(decoder__w=(4, 4, 3, 3)).channels) == (None, None, None)
