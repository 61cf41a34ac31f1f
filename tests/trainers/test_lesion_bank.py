import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.anomalies.mixing import HEALTHY_MARKER, PREFIX
from nnunet_uad.study.running.commands import training_command

NAME = "nnUNetTrainerLesionBank_2epochs_2iters"
UNLABELLED = tiny.HEALTHY[:2]


def started(monkeypatch, settings="", fold=0, configuration="2d_tiny", name=NAME):
    monkeypatch.setenv("nnUNet_uad_settings", settings)
    trainer = tiny.make_trainer(name, configuration, fold)
    trainer.on_train_start()
    return trainer


@pytest.fixture
def cohort(monkeypatch):
    """Two of the tiny dataset's cases have no labels."""
    for module in ("base", "lesion_bank"):
        monkeypatch.setattr(f"nnunet_uad.trainers.{module}.unlabelled_cases", lambda folder: set(UNLABELLED))


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_the_bank_is_of_the_folds_training_cases_alone(tiny_dataset, results, monkeypatch, configuration):
    """No case of the validation, and none outside the split, is even read; each lesion is found in its case."""
    trainer = tiny.make_trainer(NAME, configuration, fold=1)
    train, val = trainer.do_split()
    assert (train, val) == (tiny.LESION[:2], tiny.LESION[2:])
    trainer.initialize()
    load, read = trainer.dataset_class.load_case, set()
    monkeypatch.setattr(trainer.dataset_class, "load_case", lambda self, case: read.add(case) or load(self, case))
    bank = trainer.bank
    assert read == set(train) == set(bank.cases) and len(bank.lesions) == (2 if configuration == "3d_tiny" else 6)
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, train)
    for case in train:
        data, seg = (np.asarray(a[:]) for a in dataset.load_case(case)[:2])
        lesions = [lesion for lesion in bank.lesions if lesion.case == case]
        for lesion in lesions:
            # Every voxel of the lesion is one of the case, with its class.
            inside = lesion.labels > 0
            known = {tuple(v) for v in np.concatenate([data, seg])[:, seg[0] > 0].T.tolist()}
            assert {(*v, c) for *v, c in np.vstack([lesion.image, lesion.labels[None]])[:, inside].T.tolist()} <= known
        assert sum((lesion.labels > 0).sum() for lesion in lesions) == (seg > 0).sum()


def test_a_training_without_lesions_is_refused(tiny_dataset, results, monkeypatch):
    monkeypatch.setattr(nnUNetTrainer, "do_split", lambda self: (tiny.HEALTHY, tiny.LESION))
    with pytest.raises(ValueError, match=r"Expected a lesion of 4 voxels .* 4 annotated training .*fold 0, found none"):
        started(monkeypatch)
    assert not [*results.rglob("checkpoint*")]


def test_lesions_are_pasted_before_intensities_change(tiny_dataset, results, monkeypatch):
    trainer = started(monkeypatch, "bank_share=0.25", configuration="3d_tiny")
    names = [type(t).__name__ for t in trainer.dataloader_train.data_loader.transforms.transforms]
    place = names.index("LesionBankTransform")
    assert set(names[:place]) == {"Convert3DTo2DTransform", "SpatialTransform", "Convert2DTo3DTransform"}
    assert names[place + 1] == "RandomTransform"
    pasting = trainer.dataloader_train.data_loader.transforms.transforms[place]
    assert (pasting.probability, pasting.unknown, pasting.spacing) == (0.25, None, (3.0, 2.0, 2.0))


def test_the_seed_repeats_the_samples_without_workers(tiny_dataset, results, monkeypatch):
    batches = []
    for _ in range(2):
        trainer = started(monkeypatch, "seed=4 bank_share=1")
        batches.append(next(trainer.dataloader_train))
    assert torch.equal(batches[0]["data"], batches[1]["data"])
    assert all(torch.equal(a, b) for a, b in zip(*(b["target"] for b in batches), strict=True))


def test_unlabelled_hosts_want_unlabelled_cases(tiny_dataset, results, monkeypatch):
    with pytest.raises(ValueError, match=r"bank_hosts=both expects training cases without labels .* bank_hosts=train"):
        started(monkeypatch, "bank_hosts=both")


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_what_is_unknown_of_unlabelled_hosts_is_left_out_of_the_loss(
    tiny_dataset, results, monkeypatch, cohort, configuration
):
    trainer = started(monkeypatch, "bank_hosts=unlabelled bank_share=0.5 seed=1", configuration=configuration)
    entries = trainer.dataloader_train.data_loader.indices
    assert {e for e in entries if e.startswith(PREFIX)} == {PREFIX + case for case in UNLABELLED}
    assert sum(e.startswith(PREFIX) for e in entries) == len(entries) / 2
    seen = set()
    for _ in range(8):
        batch = next(trainer.dataloader_train)
        for key, target in zip(batch["keys"], batch["target"][0], strict=True):
            values = set(target.unique().tolist())
            seen |= {(key.startswith(PREFIX), value) for value in values}
            assert HEALTHY_MARKER not in values
    # Pasted into unlabelled patches, whose rest is unknown; annotated ones are as they were.
    assert {(True, 1), (True, 2), (True, 3), (False, 0)} <= seen and (False, 3) not in seen
    # What a network says of unknown voxels does not change the loss, of known ones it does.
    unknown = batch["target"][0] == 3
    output = [torch.randn(len(t), 3, *t.shape[2:]) for t in batch["target"]]
    losses = [float(trainer.loss(output, batch["target"]))]
    for where in (unknown, ~unknown):
        changed = [output[0] + 5 * where * torch.tensor([1.0, 0, 0]).reshape(1, 3, *[1] * (output[0].ndim - 2))]
        losses.append(float(trainer.loss([*changed, *output[1:]], batch["target"])))
    assert unknown.any() and losses[1] == pytest.approx(losses[0], abs=1e-5) and losses[2] != losses[0]
    assert np.isfinite(float(trainer.train_step(batch)["loss"]))


def test_a_pool_is_used_without_its_labels(tiny_dataset, results, monkeypatch):
    """Fold 1 learns from two cases; fold 0's, but for those of its own, are hosts, whatever is annotated in them."""
    monkeypatch.setenv("nnUNet_uad_pool", "991/0")
    trainer = started(monkeypatch, "bank_hosts=unlabelled bank_share=1 bank_blend=cut", fold=1)
    assert trainer.hosts.identifiers == tiny.HEALTHY
    content = json.loads((Path(trainer.output_folder) / "lesion_bank.json").read_text())
    assert content == {"lesions": 6, "cases": tiny.LESION[:2], "unlabelled_hosts": tiny.HEALTHY}
    assert "Unlabelled hosts: 100% of the samples, 4 case(s); what is beyond" in Path(trainer.log_file).read_text()


@pytest.mark.parametrize("budget", ["2s", "1"])
def test_budgets_of_a_study_have_its_pool(workplace, results, monkeypatch, budget):
    """Slices are labelled in a dataset of their own; the outer fold's cases are hosts all the same."""
    arms = {"bank": {"trainer": "nnUNetTrainerLesionBank", "settings": "bank_hosts=both"}}
    layout = workplace.plan(trainers=arms, budgets=[budget], draws=1)
    (cell,) = layout.cells.values()
    command = training_command(layout, cell)
    for name in ("settings", "pool"):
        monkeypatch.setenv(f"nnUNet_uad_{name}", command.environment[f"nnUNet_uad_{name}"])
    number = cell.fold["dataset"].removeprefix("Dataset")[:3]
    trainer = tiny.make_trainer(NAME, fold=cell.fold["index"], number=number)
    trainer.on_train_start()
    own = set() if budget == "2s" else set(cell.fold["train"])
    assert set(trainer.hosts.identifiers) == {*tiny.HEALTHY, tiny.LESION[0]} - own
    targets = torch.cat([next(trainer.dataloader_train)["target"][0] for _ in range(6)])
    assert {0, 1, 3} <= set(targets.unique().tolist()) <= {0, 1, 2, 3}


def test_unlabelled_cases_that_are_healthy(tiny_dataset, results, monkeypatch, cohort):
    trainer = started(monkeypatch, "bank_hosts=both bank_unlabelled=healthy bank_share=1")
    assert trainer.unknown_label is None
    values = {v for _ in range(4) for v in next(trainer.dataloader_train)["target"][0].unique().tolist()}
    assert values == {0, 1, 2}


def test_fine_tuning_with_a_bank(dae_fold, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    trainer = started(monkeypatch, name="nnUNetTrainerDAEPretrainedLesionBank_2epochs_2iters")
    assert trainer.settings.freeze_encoder_epochs == 0.3 and trainer.settings.bank_share == 0.5
    log = Path(trainer.log_file).read_text()
    assert "Lesion bank: 3 lesion(s) of 1 annotated training case(s)" in log and "Pretrained weights:" in log
