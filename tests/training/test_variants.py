import multiprocessing
import pickle
import random

import numpy as np
import pytest
import tiny
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.methods import NAMES, trainer_class
from nnunet_uad.plugin import nnunet_uad_trainers as plugin
from nnunet_uad.training import variants

TRAINERS = {name: trainer_class(name) for name in NAMES}


def test_a_name_gives_the_same_class_every_time():
    first = variants.resolve("nnUNetPretrainerDAE_3epochs_7iters", TRAINERS)
    assert first is variants.resolve("nnUNetPretrainerDAE_3epochs_7iters", TRAINERS)
    assert first.__name__ == "nnUNetPretrainerDAE_3epochs_7iters"
    assert issubclass(first, plugin.nnUNetPretrainerDAE)


@pytest.mark.parametrize("name", ["nnUNetPretrainerDAE_0epochs", "nnUNetPretrainerDAE_epochs", "Other_3epochs"])
def test_other_names_are_not_ours(name):
    assert variants.resolve(name, TRAINERS) is None


def lengths_in_words(cls):
    return f"{cls.__name__}: {cls.__doc__}"


@pytest.mark.parametrize(
    "name", ["nnUNetPretrainerDAE", "nnUNetPretrainerDAE_3epochs_7iters", "nnUNetTrainer_3epochs", "nnUNetTrainer"]
)
def test_classes_can_be_pickled(name):
    """Data loading by spawn or forkserver pickles what refers to the trainer's class."""
    cls = getattr(plugin, name) if name != "nnUNetTrainer" else nnUNetTrainer
    assert pickle.loads(pickle.dumps(cls)) is cls


@pytest.mark.slow
def test_a_variant_reaches_a_spawned_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        told = pool.apply(lengths_in_words, (plugin.nnUNetPretrainerDAE_4epochs_7iters,))
    assert told == "nnUNetPretrainerDAE_4epochs_7iters: nnUNetPretrainerDAE for 4 epochs of 7 iterations."


class TrainerOfTwoEpochs(nnUNetTrainer):
    """A length as nnU-Net's own nnUNetTrainer_5epochs says it, with shorter epochs."""

    # nnU-Net reads the argument names off this signature to store them in checkpoints.
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):  # noqa: B008
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 3, 1


@pytest.mark.slow
def test_the_stock_trainer_of_any_length_is_the_stock_trainer(tiny_dataset):
    """Bit for bit: optimiser, schedule, augmentation and losses are nnU-Net's own."""
    arguments = tiny.make_trainer("nnUNetTrainer").my_init_kwargs
    logs = []
    for cls in (TrainerOfTwoEpochs, plugin.nnUNetTrainer_2epochs_3iters):
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(0)
        trainer = cls(**{**arguments, "plans": {**arguments["plans"], "continue_training": False}})
        trainer.run_training()
        assert type(trainer.optimizer) is torch.optim.SGD
        logs.append([trainer.logger.get_value(name, None) for name in ("train_losses", "val_losses", "lrs")])
    assert logs[0] == logs[1] and len(logs[0][0]) == 2 and logs[0][2][1] < logs[0][2][0]


def test_nobody_need_wait_for_a_validation_that_nobody_wants(tiny_dataset, monkeypatch):
    trainer = tiny.make_trainer("nnUNetTrainer_1epochs_1iters")
    done = []
    monkeypatch.setattr(nnUNetTrainer, "perform_actual_validation", lambda self, save: done.append(save))
    monkeypatch.setenv("nnUNet_uad_validation", "no")
    trainer.perform_actual_validation(True)
    assert not done
    monkeypatch.setenv("nnUNet_uad_validation", "")
    trainer.perform_actual_validation(True)
    assert done == [True]


def test_misspelling_suggests_the_nearest_and_keeps_the_length():
    with pytest.raises(ValueError, match="Did you mean nnUNetPretrainerDAE_5epochs"):
        variants.refuse_misspelling("nnUNetPretrainerDEA_5epochs", NAMES)
    variants.refuse_misspelling("MyOwnTrainer", NAMES)


def test_with_other_trainer_folders_only_near_names_are_refused(monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", "/a:/b")
    variants.refuse_misspelling("nnUNetTrainerMyPretraining", NAMES)
    with pytest.raises(ValueError, match="Did you mean"):
        variants.refuse_misspelling("nnUNetTrainerDAEPretraned", NAMES)


def test_classes_of_other_folders_are_no_misspellings(monkeypatch, tmp_path):
    """This folder is searched first: it must neither refuse nor hide what another one defines."""
    (tmp_path / "mine.py").write_text(
        "class nnUNetTrainerDAEPretrained2:\n pass\nclass nnUNetTrainer_7epochs:\n pass\n"
    )
    monkeypatch.setenv("nnUNet_extTrainer", f"{tmp_path}")
    for name in ("nnUNetTrainerDAEPretrained2", "nnUNetTrainerDAEPretrained2_5epochs", "nnUNetTrainer_7epochs"):
        assert not hasattr(plugin, name)
    assert hasattr(plugin, "nnUNetTrainer_8epochs")
    with pytest.raises(ValueError, match="Did you mean"):
        _ = plugin.nnUNetTrainerDAEPretrained3


@pytest.mark.parametrize("name", ["nnUNetTrainerX", "nnUNetTrainerDA", "nnUNetTrainerV2", "nnUNetTrainerX_5epochs"])
def test_short_names_of_other_folders_are_left_to_them(monkeypatch, name):
    """They are near nnU-Net's own nnUNetTrainer, which is none of ours to misspell."""
    monkeypatch.setenv("nnUNet_extTrainer", "/a:/b")
    assert not hasattr(plugin, name)
