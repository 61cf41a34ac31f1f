"""The fair baseline: the fine-tuning schedule on random weights."""

from __future__ import annotations

from nnunet_uad.trainers.base import FineTuneTrainer


class nnUNetTrainerFromScratch(FineTuneTrainer):
    """Supervised training from random weights at the schedule of the ``…Pretrained`` trainers.

    nnU-Net's own SGD schedule starts slowly in short runs; comparing it with fine-tuning would credit the
    optimiser's gain to the pretraining.
    """
