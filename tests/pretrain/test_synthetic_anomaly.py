from pathlib import Path

import pytest
import tiny
import torch
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from nnunet_uad.data.centres import LEAST_EDGE
from nnunet_uad.pretrain.synthetic_anomaly import AnomalyProbability, SyntheticAnomalySettings, SyntheticAnomalyTask
from nnunet_uad.pretrain.task import Geometry, StepResult
from nnunet_uad.weights.safe_file import read_record


@pytest.fixture
def task():
    return SyntheticAnomalyTask(SyntheticAnomalySettings(), Geometry((2.0, 2.0), (16, 16), (4, 4)))


@pytest.fixture
def mask():
    """Two samples, one of them without an anomaly."""
    mask = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    mask[0, :, 3:9, 4:12] = True
    return mask


class Says(torch.nn.Module):
    """Returns the logits whatever it sees."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, image):
        return self.logits


def test_the_loss_is_cross_entropy_and_dice(task, mask):
    network = Says(torch.randn(2, 1, 16, 16))
    result = task.step(network, torch.zeros(2, 2, 16, 16), mask)
    target = mask.float()
    crossentropy = torch.nn.functional.binary_cross_entropy_with_logits(network.logits, target)
    probability = network.logits.sigmoid()
    dice = (2 * (probability * target).sum() + 1e-5) / (probability.sum() + target.sum() + 1e-5)
    assert torch.allclose(result.loss, crossentropy - dice, atol=1e-5)
    assert isinstance(task.loss.dc, MemoryEfficientSoftDiceLoss)
    result.loss.backward()
    assert bool((network.logits.grad[mask] < 0).all()) and bool((network.logits.grad[~mask] > 0).all())


def test_the_quality_is_the_dice_over_all_batches(task, mask):
    logits = torch.where(mask, 3.0, -3.0)
    logits[0, 0, 3:6] *= -1  # three of six rows missed, eight columns hit there as background
    predicted = logits > 0
    result = StepResult(torch.tensor(0.0), logits, mask)
    overlap, sizes = task.quality_sums(result, torch.zeros(2, 2, 16, 16)).tolist()
    assert overlap == (predicted & mask).sum() and sizes == predicted.sum() + mask.sum()
    assert task.quality(overlap, sizes) == pytest.approx(2 * 24 / (24 + 8 * 3 + 48))
    assert task.quality(0.0, 0.0) == 0.0


def test_the_quality_needs_the_networks_output(task):
    with pytest.raises(TypeError, match="The Dice needs the network's output"):
        task.quality_sums(StepResult(torch.tensor(0.0)), torch.zeros(1, 1, 2, 2))


def test_the_score_is_the_probability_and_there_is_no_reconstruction():
    restoration = AnomalyProbability()
    logits = torch.tensor([[[[-2.0, 0.0, 3.0]]]])
    assert torch.equal(restoration.detect(Says(logits), torch.zeros(1, 2, 1, 3)), torch.sigmoid(logits))
    assert restoration.detects and not restoration.reconstructs


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_a_lesion_needs_room_and_the_network_has_one_output(tiny_dataset, results, configuration):
    trainer = tiny.make_trainer("nnUNetPretrainerSyntheticAnomaly_1epochs_1iters", configuration)
    patch = tuple(trainer.configuration_manager.patch_size)
    assert trainer.least_foreground == LEAST_EDGE ** len(patch)
    trainer.initialize()
    assert trainer.network(torch.zeros(2, 2, *patch)).shape == (2, 1, *patch)
    # A model that only detects has no residual to hand on.
    assert trainer.description() == {}


@pytest.mark.parametrize("pipeline", ["training", "validation"])
def test_anomalies_come_last_and_lie_where_the_foreground_was(tiny_dataset, results, pipeline):
    """The target that the loss sees is 1 in changed voxels of the foreground, and 0 where nothing was there before."""
    trainer = tiny.make_trainer("nnUNetPretrainerSyntheticAnomaly_1epochs_1iters")
    made = {
        "training": lambda: trainer.get_training_transforms((32, 32), (-0.5, 0.5), None, (0, 1), False, [True, True]),
        "validation": lambda: trainer.get_validation_transforms(None),
    }[pipeline]()
    image = torch.randn(2, 32, 32)
    foreground = torch.zeros(1, 32, 32, dtype=torch.int16)
    foreground[:, 4:28, 6:26] = 1
    marked = 0
    for _ in range(40):
        sample = made.transforms[-1](image=image.clone(), segmentation=foreground.clone())
        mask, changed = sample["segmentation"] == 1, (sample["image"] != image).any(0, keepdim=True)
        assert set(sample["segmentation"].unique().tolist()) <= {0, 1}
        assert not (mask & ~changed).any() and not (changed & (foreground == 0)).any()
        marked += bool(mask.any())
    assert marked > 10


def test_the_folder_of_the_masks_is_not_passed_on(tiny_dataset, results, tmp_path, monkeypatch):
    """Record and checkpoint keep its last name, and a training goes on where the masks have moved to."""
    for name in ("of_one_machine/masks", "of_another/masks", "of_another/others"):
        (tmp_path / name).mkdir(parents=True)
        tiny.write_image(tiny.tiny_case(4, True)[1].clip(max=1), tmp_path / name / "a.nii.gz")

    def begin(masks, latest=None):
        monkeypatch.setenv("nnUNet_uad_settings", f"lesion_masks={tmp_path / masks}")
        trainer = tiny.make_trainer("nnUNetPretrainerSyntheticAnomaly_2epochs_1iters")
        if latest:
            trainer.load_checkpoint(latest)
        trainer.on_train_start()
        return trainer

    trainer = begin("of_one_machine/masks")
    latest = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(latest)
    record = read_record(f"{trainer.output_folder}/pretrained.safetensors")
    stored = torch.load(latest, weights_only=True)["init_args"]["plans"]["nnunet_uad"]
    assert record.settings["lesion_masks"] == stored["settings"]["lesion_masks"] == "masks"
    assert "of_one_machine" not in record.to_json() + str(stored)
    assert all(b"of_one_machine" not in path.read_bytes() for path in Path(trainer.output_folder).glob("*.safetensors"))
    begin("of_another/masks", latest)
    with pytest.raises(RuntimeError, match=r"other settings \(lesion_masks=masks\)"):
        begin("of_another/others", latest)
