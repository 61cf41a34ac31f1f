import pytest
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.plugin import nnunet_uad_trainers as plugin
from nnunet_uad.study.planning.needs import NEEDS, needs_of, needs_of_class


def test_the_table_says_what_the_classes_say():
    classes = {name: getattr(plugin, name) for name in plugin.__all__ if name.startswith("nnUNetTrainer")}
    assert {name: needs_of_class(found) for name, found in classes.items()} | {"nnUNetTrainer": {}} == NEEDS
    assert needs_of_class(nnUNetTrainer) == {}


def test_trainers_of_others(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from nnunet_uad.trainers.pretrained import nnUNetTrainerDAEPretrained\n"
        "class nnUNetTrainerMine(nnUNetTrainerDAEPretrained):\n    pass\n"
    )
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path))
    assert needs_of("nnUNetTrainerMine") == {"weights": "nnUNetPretrainerDAE"}
    assert needs_of("nnUNetTrainerNoMirroring") == {}
    with pytest.raises(ValueError, match="nnUNetTrainerNobodys"):
        needs_of("nnUNetTrainerNobodys")
