import copy
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
import torch
from weights_helpers import Malicious

from nnunet_uad.inference.segmenter import load_segmenter, segment

TRAINER = "nnUNetTrainerFromScratch_1epochs_2iters"


@pytest.mark.slow
def test_as_nnunet_predicts(tiny_dataset, results, tmp_path):
    """The segmentations that nnU-Net's own validation wrote, in the geometry of the image, and their probabilities."""
    fold = tiny.run_training(TRAINER)
    predictor = load_segmenter(fold.parent, "0", "checkpoint_final.pth", True, "cpu")
    case = tiny.LESION[2]
    images = [Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr" / f"{case}_{k:04d}.nii.gz" for k in (0, 1)]
    output = tmp_path / f"{case}.nii.gz"
    probabilities = segment(predictor, images, output)
    mine, theirs = (SimpleITK.ReadImage(str(p)) for p in (output, fold / "validation" / f"{case}.nii.gz"))
    assert mine.GetOrigin() == theirs.GetOrigin() and mine.GetDirection() == theirs.GetDirection()
    mine, theirs = SimpleITK.GetArrayFromImage(mine), SimpleITK.GetArrayFromImage(theirs)
    np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(probabilities.argmax(0), mine)
    with pytest.raises(ValueError, match="none of the endings"):
        segment(predictor, images, tmp_path / "case.jpg")


@pytest.mark.parametrize("amp", ["auto", "off"])
def test_segmented_in_the_precision_of_the_training(tiny_dataset, results, bfloat16, monkeypatch, amp):
    """Whoever calls the network gets float32, close to what it is without bfloat16."""
    monkeypatch.setenv("nnUNet_uad_settings", f"amp={amp}")
    fold = tiny.save_untrained(TRAINER)
    image = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = load_segmenter(fold.parent, "0", "checkpoint_final.pth", True, "cpu").network(image).detach()
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    exact = load_segmenter(fold.parent, "0", "checkpoint_final.pth", True, "cpu").network(image).detach()
    assert logits.dtype == torch.float32 and torch.equal(logits, exact) == (amp == "off")
    assert float((logits - exact).abs().max()) < 0.2 * float(exact.std())
    assert float((logits - exact).abs().mean()) < 0.02 * float(exact.std())
    assert float((logits.argmax(1) == exact.argmax(1)).float().mean()) > 0.97


def test_what_robustness_and_the_tests_of_a_study_load_runs_no_code(tiny_dataset, results, tmp_path):
    path = tiny.save_untrained(TRAINER) / "checkpoint_final.pth"
    model, content = path.parents[1], torch.load(path, weights_only=True)
    assert load_segmenter(model, "0", path.name, True, "cpu").trainer_name == TRAINER
    arguments = copy.deepcopy(content["init_args"])
    arguments["plans"]["nnunet_uad"]["settings"]["amp"] = "bf8"
    for changes, message in (
        ({"init_args": arguments}, r"checkpoint_final\.pth: amp expects one of auto, off, found 'bf8'"),
        ({"x": Malicious(tmp_path / "ran")}, r"checkpoint_final\.pth is a pickle that would have to run code"),
        ({"network_weights": {"w": torch.ones(1)}}, r"checkpoint_final\.pth does not hold the weights of its model"),
        (
            {"init_args": {**content["init_args"], "configuration": "4d"}},
            r"checkpoint_final\.pth was trained with",
        ),
    ):
        torch.save({**content, **changes}, path)
        with pytest.raises(ValueError, match=message):
            load_segmenter(model, "0", path.name, True, "cpu")
    assert not (tmp_path / "ran").exists()
