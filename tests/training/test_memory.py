import torch

from nnunet_uad.training.memory import training_bytes


def test_bytes_of_a_step_against_a_hand_worked_value():
    """Conv (1 → 4, bias) on 1 x 1 x 10 x 10, then its square: input 400 B, output 1600 B kept, 4 · 16 B of weights."""
    network = torch.nn.Conv2d(1, 4, 1)
    found = training_bytes(network, lambda n: n(torch.empty(1, 1, 10, 10, device="meta")).square())
    assert found == 400 + 1600 + 16 * 8
    mixed = training_bytes(network, lambda n: n(torch.empty(1, 1, 10, 10, device="meta")).square(), mixed=True)
    assert mixed == (400 + 1600) / 2 + 16 * 8
