"""Every row of the list of methods leads to what it names: a wrong row fails here, not in a user's training."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from nnunet_uad.methods import (
    ATTRIBUTES,
    FINE_TUNED,
    METHODS,
    NAMES,
    NEEDS,
    PACKAGE,
    PRETRAINERS,
    TRAINERS,
    method_of,
    trainer_class,
    trainer_table,
)
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.training.trainer import UADTrainer

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", NAMES)
def test_a_row_names_the_module_that_defines_its_trainer(name):
    row = PRETRAINERS.get(name) or TRAINERS[name]
    cls = trainer_class(name)
    assert cls.__name__ == name and issubclass(cls, UADTrainer)
    assert cls.__module__ == f"{PACKAGE}.{row.module}"
    assert issubclass(cls, nnUNetPretrainer) == (name in PRETRAINERS)
    assert (DOCS / row.page).is_file()


def test_no_trainer_of_the_wings_lacks_its_row():
    """A class that neither has a row nor is the base of one that has is a forgotten row."""
    classes = {
        value
        for module in {row.module for row in (*METHODS.values(), *TRAINERS.values())}
        for value in vars(import_module(f"{PACKAGE}.{module}")).values()
        if isinstance(value, type) and issubclass(value, UADTrainer)
    }
    bases = {base for name in NAMES for base in trainer_class(name).__mro__[1:]}
    assert {cls.__name__ for cls in classes - bases} <= set(NAMES)


@pytest.mark.parametrize("name", TRAINERS)
def test_what_a_trainer_needs_are_pretrainers_of_the_list_and_those_its_class_looks_for(name):
    cls = trainer_class(name)
    looked_for = {part: getattr(cls, attribute, None) for part, attribute in ATTRIBUTES.items()}
    assert NEEDS[name] == {part: pretrainer for part, pretrainer in looked_for.items() if pretrainer}
    assert set(NEEDS[name].values()) <= set(PRETRAINERS)


def test_methods_that_can_be_fine_tuned_have_a_trainer_of_their_name():
    named = [n for n in TRAINERS if n.endswith("Pretrained")]
    assert sorted(named) == [f"nnUNetTrainer{method}Pretrained" for method in FINE_TUNED]


def test_the_method_of_a_pretrainer_is_in_its_name():
    assert {method_of(name) for name in PRETRAINERS} == set(METHODS)
    assert method_of("nnUNetPretrainerOfSomebodyElse") == "OfSomebodyElse"


def test_a_name_that_is_no_trainer_is_refused():
    with pytest.raises(KeyError, match="nnUNetTrainerNobody"):
        trainer_class("nnUNetTrainerNobody")


def test_the_table_names_every_trainer_once():
    names = re.findall(r"`(nnUNet\w+)`", trainer_table())
    assert sorted(names) == list(NAMES)
