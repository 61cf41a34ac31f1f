import torch

from nnunet_uad.data.transforms import ForegroundTransform


def test_labels_become_the_foreground():
    seg = torch.tensor([[[-1, 0], [1, 2]], [[5, 5], [5, 5]]], dtype=torch.int16)
    out = ForegroundTransform()(image=torch.zeros(1, 2, 2), segmentation=seg)["segmentation"]
    assert out.tolist() == [[[-1, 1], [1, 1]]]
    assert out.dtype == torch.int16
