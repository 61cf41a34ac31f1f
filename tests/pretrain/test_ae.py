import pytest
import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.weights.safe_file import canonical_tensors, read_pretrained


@pytest.mark.parametrize(("loss", "expected"), [("l1", 2.0), ("l2", 4.0)])
def test_reconstruction_losses(make_autoencoder, loss, expected):
    task = make_autoencoder(f"reconstruction_loss={loss}").task
    clean = torch.zeros(1, 2, 4, 4)
    result = task.step(
        lambda image, inside: AutoencoderOutput(clean + 2, torch.zeros(1), None),
        clean,
        torch.ones(1, 1, 4, 4, dtype=torch.bool),
    )
    assert float(result.loss) == expected and result.parts == {}


@pytest.mark.slow
def test_the_loss_falls(train_losses):
    losses = train_losses("nnUNetPretrainerAE_2epochs_30iters", "seed=1 learning_rate=0.01")
    assert losses[1] < 0.6 * losses[0]


def test_the_autoencoder_alone_is_trained_written_and_reconstructs(make_autoencoder):
    trainer = make_autoencoder()
    trainer.on_train_start()
    network = trainer.bare_network
    assert network.discriminator is None and not network.autoencoder.recipe.variational
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    tensors, record = read_pretrained(f"{trainer.output_folder}/pretrained.safetensors")
    expected = canonical_tensors(network.autoencoder)
    assert set(tensors) == set(expected) and all(torch.equal(tensors[n], expected[n]) for n in tensors)
    assert record.method == "AE" and record.restorer["network"]["kind"] == "autoencoder"
    image = torch.randn(2, 2, 40, 40)
    restoring = trainer.restoring(network).eval()
    assert torch.equal(trainer.task.restoration.reconstruct(restoring, image, image[:, :0]), network.autoencoder(image))
