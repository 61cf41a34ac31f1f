import multiprocessing
import pickle

import pytest
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


def test_stock_trainer_of_any_length():
    assert issubclass(plugin.nnUNetTrainer_3epochs_7iters, nnUNetTrainer)


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
