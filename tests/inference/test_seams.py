"""No visible seams where tiles meet."""

import numpy as np
import pytest
import tiny
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunet_uad.inference.model import load_restorer

TILE = 32


@pytest.fixture
def image():
    """Smooth: whatever steps there are come from the tiles."""
    z, y, x = np.meshgrid(np.arange(2), np.arange(112), np.arange(112), indexing="ij")
    wave = np.sin(x / 17.0) * np.cos(y / 23.0) + 0.2 * z
    return np.stack([wave, 0.5 - wave]).astype(np.float32)


def step_at_borders(volume):
    """Mean step between neighbours where a tile begins or ends, relative to other places; the worst channel.

    Other places of the same parity: the diffusion network folds pairs of voxels.
    """
    steps = np.abs(np.diff(volume, axis=-1)).mean(tuple(range(1, volume.ndim - 1)))
    border = np.zeros(steps.shape[-1], bool)
    # nnU-Net's tiles overlap by half: they begin and end at multiples of half a tile.
    border[TILE // 2 - 1 :: TILE // 2] = True
    others = ~border
    others[::2] = False
    return float((steps[:, border].mean(1) / steps[:, others].mean(1)).max())


def test_a_seam_would_be_seen():
    volume = np.random.default_rng(0).standard_normal((1, 2, 112, 112)) * 0.01
    volume += (np.arange(112) // 16 % 2)[None, None, None] * 0.1
    assert step_at_borders(volume) > 3


@pytest.mark.slow
def test_restorations_have_no_seams(ddpm_fold, image):
    restorer = load_restorer(ddpm_fold.parent, device="cpu", mirroring=False)
    restored = restorer.reconstruct(image, np.ones(image.shape[1:], bool))
    assert np.abs(restored).max() > 0 and step_at_borders(restored) < 1.3


@pytest.mark.slow
def test_segmentations_of_residual_models_have_no_seams(ddpm_fold, results, monkeypatch, image):
    monkeypatch.setenv("nnUNet_uad_restorer", str(ddpm_fold / "pretrained.safetensors"))
    # Random networks differ by a tenth in what is measured here; one of them is enough.
    monkeypatch.setenv("nnUNet_uad_settings", "seed=1")
    trainer = tiny.make_trainer("nnUNetTrainerDiffusionResidual_2epochs_2iters")
    trainer.run_training()
    trainer.set_deep_supervision_enabled(False)
    # Two epochs leave the weights of the residual near 0; here they are to matter.
    with torch.no_grad():
        stem = next(p for p in trainer.segmenter.parameters() if p.ndim == 4)
        stem[:, 2:] = stem[:, :2]
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network.eval(),
        trainer.plans_manager,
        trainer.configuration_manager,
        None,
        trainer.dataset_json,
        "",
        None,
    )
    logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)).float().numpy()
    assert step_at_borders(logits) < 1.3
