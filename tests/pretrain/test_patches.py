import numpy as np
import pytest
import tiny

from nnunet_uad.pretrain.patches import PatchChoice


def test_batches_are_healthy_and_the_target_is_the_foreground(tiny_dataset, results):
    """No labelled voxel reaches the network, in any of many patches: seen through marked images."""
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters")
    trainer.initialize()
    seen = []
    original = trainer.dataset_class.load_case

    class Marked(trainer.dataset_class):
        def load_case(self, identifier):
            data, seg, previous, properties = original(self, identifier)
            seg = np.asarray(seg[:])
            data = np.repeat((seg > 0).astype(np.float32) * 1000, 2, axis=0)  # the image shows its labels
            return data, seg, previous, properties

    trainer.dataset_class = Marked
    loader, _ = trainer.get_dataloaders()
    for _ in range(40):
        batch = next(loader)
        seen.append(float(batch["data"].abs().max()))
        assert set(np.unique(batch["target"])) <= {0, 1}
        assert batch["target"].shape == (4, 1, 32, 32)
        assert (batch["target"] == 1).any()
    assert max(seen) < 5  # nothing but the augmentation's own noise


def test_anywhere_ignores_the_labels(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "sampling=anywhere")
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", fold=1)
    trainer.initialize()
    assert trainer.get_tr_and_val_datasets()[0].identifiers == tiny.LESION[:2]


@pytest.mark.parametrize(("configuration", "unit"), [("2d_tiny", "slice"), ("3d_tiny", "patch of")])
def test_no_healthy_patch_is_refused_with_the_way_out(tiny_dataset, results, monkeypatch, configuration, unit):
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", configuration, 1)
    trainer.initialize()
    original = trainer.dataset_class.load_case

    def labelled_everywhere(self, identifier):
        data, seg, *rest = original(self, identifier)
        return data, np.where(seg[:] >= 0, 1, -1), *rest

    monkeypatch.setattr(trainer.dataset_class, "load_case", labelled_everywhere)
    with pytest.raises(ValueError, match=f"None of the 2 training cases has a {unit}.*sampling=anywhere"):
        trainer.run_training()
    assert not list(results.rglob("*.pth")) and not list(results.rglob("*.safetensors"))


class Cases:
    """A dataset of cases of 3 slices whose labels are given slice by slice."""

    def __init__(self, **slices):
        self.slices = slices
        self.identifiers = list(slices)

    def load_case(self, identifier):
        seg = np.array(self.slices[identifier], np.int8)[None, :, None, None] * np.ones((1, 1, 4, 4), np.int8)
        return np.zeros((1, *seg.shape[1:]), np.float32), seg, None, {"class_locations": {}}


@pytest.fixture
def said():
    return []


def choice(said, sampling="healthy", least_foreground=1):
    return PatchChoice(sampling, least_foreground, (4, 4), 0, said.append)


def slices_of(centred, case):
    return sorted({int(z) for _, z, _, _ in centred.load_case(case)[3]["class_locations"][1]})


def test_only_slices_without_labels_count_and_cases_without_any_are_named(said):
    training = choice(said).training(Cases(a=[0, 1, 0], b=[1, 2, 1], c=[0, -1, 2]), (4, 4))
    assert training.identifiers == ["a", "c"]
    assert slices_of(training, "a") == [0, 2] and slices_of(training, "c") == [0]
    assert said == [
        "Patches are drawn from 2 of 3 training cases.",
        "Without a patch free of labelled voxels: b",
    ]


def test_anywhere_takes_every_slice_with_foreground(said):
    training = choice(said, "anywhere").training(Cases(a=[0, 1, 0], b=[1, 2, -1]), (4, 4))
    assert slices_of(training, "a") == [0, 1, 2] and slices_of(training, "b") == [0, 1]
    assert said == ["Patches are drawn from 2 of 2 training cases."]


def test_a_slice_needs_the_foreground_that_a_method_asks_for(said):
    cases = Cases(a=[0, -1, -1])
    assert slices_of(choice(said, least_foreground=16).training(cases, (4, 4)), "a") == [0]
    with pytest.raises(ValueError, match="a slice without labelled voxels and with at least 17 foreground voxels"):
        choice(said, least_foreground=17).training(cases, (4, 4))


def test_without_healthy_validation_patches_the_trainings_are_monitored_and_that_is_said(said):
    patches = choice(said)
    training = patches.training(Cases(a=[0, 0, 0]), (4, 4))
    assert patches.validation(Cases(v=[1, 1, 1]), training) is training
    assert said[-1].startswith("WARNING: no validation case has a patch without labelled voxels")
    said.clear()
    validation = patches.validation(Cases(v=[1, 1, 1], w=[0, 1, 1]), training)
    assert validation.identifiers == ["w"] and slices_of(validation, "w") == [0]
    assert not any(line.startswith("WARNING") for line in said)
