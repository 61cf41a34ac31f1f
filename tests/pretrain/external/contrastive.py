"""A contrastive pretrainer (SimCLR, Chen et al. 2020, https://arxiv.org/abs/2002.05709): it reconstructs nothing."""

import torch
from torch import nn
from torch.nn import functional

from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import PretrainTask, StepResult
from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class Projector(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.encoder = network.encoder
        self.head = nn.Linear(network.encoder.output_channels[-1], 16)

    def forward(self, image):
        return functional.normalize(self.head(self.encoder(image)[-1].flatten(2).mean(2)), dim=1)


class ContrastiveTask(PretrainTask):
    method = "Contrastive"

    def step(self, network, clean, foreground):
        codes = network(torch.cat([clean + 0.1 * torch.randn_like(clean) for _ in range(2)]))
        similarity = (codes @ codes.T / 0.1).fill_diagonal_(-torch.inf)
        positives = torch.arange(len(codes), device=codes.device).roll(len(clean))
        return StepResult(functional.cross_entropy(similarity, positives))


class nnUNetPretrainerContrastive(nnUNetPretrainer[PretrainSettings, ContrastiveTask]):
    settings_class, task_class = PretrainSettings, ContrastiveTask
    make_network = classmethod(lambda cls, settings, plan, channels: Projector(settings.recipe(plan, channels).build()))


class nnUNetTrainerContrastivePretrained(nnUNetTrainerPretrained):
    pretrainer = "nnUNetPretrainerContrastive"
