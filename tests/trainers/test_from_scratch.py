import tiny
import torch

from nnunet_uad.methods import TRAINERS, trainer_class
from nnunet_uad.trainers.from_scratch import nnUNetTrainerFromScratch
from nnunet_uad.trainers.pretrained import TransferSection

NAME = "nnUNetTrainerFromScratch_4epochs_3iters"


def test_it_differs_from_fine_tuning_in_nothing_but_the_transfer():
    """The fair baseline: what every …Pretrained trainer has for its schedule, this one has, value by value."""
    transfer = set(vars(TransferSection()))
    scratch = vars(nnUNetTrainerFromScratch.settings_class())
    for name, use in TRAINERS.items():
        if use.module == "trainers.pretrained":
            tuned = vars(trainer_class(name).settings_class())
            assert {k: v for k, v in tuned.items() if k not in transfer} == {
                k: v for k, v in scratch.items() if k not in transfer
            }, name
    assert scratch["freeze_encoder_epochs"] == 0


def test_it_trains_the_stock_network_from_the_stock_initialisation(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "seed=6")
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    torch.manual_seed(6)
    stock = tiny.make_trainer("nnUNetTrainer")
    stock.initialize()
    ours, theirs = trainer.network.state_dict(), stock.network.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in theirs)


def test_its_rates_are_those_of_a_fine_tuned_network_whose_encoder_is_free(dae_fold, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    monkeypatch.setenv("nnUNet_uad_settings", "freeze_encoder_epochs=0")
    rates = []
    for name in (NAME, "nnUNetTrainerDAEPretrained_4epochs_3iters"):
        trainer = tiny.make_trainer(name)
        trainer.on_train_start()
        steps = []
        for trainer.current_epoch in range(4):
            trainer.on_train_epoch_start()
            for _ in range(3):
                trainer.advance_schedule()
                steps.append([(g["name"], g["lr"], g["weight_decay"]) for g in trainer.optimizer.param_groups])
        rates.append(steps)
    assert rates[0] == rates[1] and len({step[0][1] for step in rates[0]}) == 12
