"""What tests of inference share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan


@pytest.fixture
def model(tiny_dataset: Path) -> ModelPlan:
    """Plan of a model on the tiny dataset."""
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    return ModelPlan(plans, plans.get_configuration("2d_tiny"), json.loads((tiny_dataset / "dataset.json").read_text()))
