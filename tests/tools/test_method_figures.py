"""The figures of the methods: one for every page, of phantoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from floors import ROOT
from method_figures import FIGURES, METHODS, draw
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from PIL import Image

from nnunet_uad import methods


def test_every_page_of_a_method_shows_its_figure():
    assert {m.page for m in methods.METHODS.values()} == {f"method-{page}.md" for page in METHODS}
    for page in METHODS:
        assert f"](figures/method-{page}.png)" in (ROOT / "docs" / f"method-{page}.md").read_text(encoding="utf-8")
        assert (FIGURES / f"method-{page}.png").stat().st_size < 60_000


@pytest.mark.parametrize("page", METHODS)
def test_what_a_network_is_shown_comes_from_the_patch(page, tiny_dataset):
    manager = PlansManager(str(Path(tiny_dataset) / "nnUNetPlans.json")).get_configuration("2d_tiny")
    patch = torch.zeros(2, 32, 32)
    patch[:, 8:24, 8:24] = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) + 1
    shown = METHODS[page].shown(patch, manager)
    assert shown.ndim == 2 and np.isfinite(shown).any()
    changed = shown.shape != (32, 32) or not np.array_equal(shown, patch[0].numpy())
    # Small lesions need not find room in so small a patch.
    assert changed or METHODS[page].sees == "training: the patch itself" or "lesions" in METHODS[page].sees


def test_pictures_stand_side_by_side(tmp_path):
    picture = np.random.default_rng(0).random((32, 32))
    pictures = {"a phantom (outlined)": picture, "its anomaly map": picture, "lesion": (picture > 0.9).astype(int)}
    draw(pictures, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.size == (420, 255) and drawn.mode == "P"
