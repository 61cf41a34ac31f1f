"""All trainers under one roof: nnU-Net imports this module and asks it for names.

The classes live in the installed package, so they stay identical and picklable however often nnU-Net drops this
module again.
"""

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer as _nnUNetTrainer

from nnunet_uad.pretrain.ano_vae_gan import nnUNetPretrainerAnoVAEGAN
from nnunet_uad.pretrain.autoencoder import nnUNetPretrainerAE
from nnunet_uad.pretrain.dae import nnUNetPretrainerDAE
from nnunet_uad.pretrain.ddpm import nnUNetPretrainerDDPM
from nnunet_uad.pretrain.mae import nnUNetPretrainerMAE
from nnunet_uad.pretrain.patch_gan import nnUNetPretrainerPatchGAN
from nnunet_uad.pretrain.synthetic_anomaly import nnUNetPretrainerSyntheticAnomaly
from nnunet_uad.pretrain.tae import nnUNetPretrainerTAE
from nnunet_uad.pretrain.vae import nnUNetPretrainerVAE
from nnunet_uad.trainers.aux_reconstruction import nnUNetTrainerAuxReconstruction
from nnunet_uad.trainers.dae_pretrained import nnUNetTrainerDAEPretrained
from nnunet_uad.trainers.dae_pretrained_diffusion_residual import nnUNetTrainerDAEPretrainedDiffusionResidual
from nnunet_uad.trainers.dae_residual import nnUNetTrainerDAEResidual
from nnunet_uad.trainers.diffusion_residual import nnUNetTrainerDiffusionResidual
from nnunet_uad.trainers.diffusion_residual_synthetic import nnUNetTrainerDiffusionResidualSynthetic
from nnunet_uad.trainers.from_scratch import nnUNetTrainerFromScratch
from nnunet_uad.trainers.mae_pretrained import nnUNetTrainerMAEPretrained
from nnunet_uad.trainers.patch_gan_score import nnUNetTrainerPatchGANScore
from nnunet_uad.trainers.synthetic_anomaly_pretrained import nnUNetTrainerSyntheticAnomalyPretrained
from nnunet_uad.trainers.tae_pretrained import nnUNetTrainerTAEPretrained
from nnunet_uad.trainers.tae_pretrained_aux_reconstruction import nnUNetTrainerTAEPretrainedAuxReconstruction
from nnunet_uad.trainers.vae_pretrained import nnUNetTrainerVAEPretrained
from nnunet_uad.trainers.vae_residual import nnUNetTrainerVAEResidual
from nnunet_uad.training import variants as _variants

__all__ = [
    "nnUNetPretrainerAE",
    "nnUNetPretrainerAnoVAEGAN",
    "nnUNetPretrainerDAE",
    "nnUNetPretrainerDDPM",
    "nnUNetPretrainerMAE",
    "nnUNetPretrainerPatchGAN",
    "nnUNetPretrainerSyntheticAnomaly",
    "nnUNetPretrainerTAE",
    "nnUNetPretrainerVAE",
    "nnUNetTrainerAuxReconstruction",
    "nnUNetTrainerDAEPretrained",
    "nnUNetTrainerDAEPretrainedDiffusionResidual",
    "nnUNetTrainerDAEResidual",
    "nnUNetTrainerDiffusionResidual",
    "nnUNetTrainerDiffusionResidualSynthetic",
    "nnUNetTrainerFromScratch",
    "nnUNetTrainerMAEPretrained",
    "nnUNetTrainerPatchGANScore",
    "nnUNetTrainerSyntheticAnomalyPretrained",
    "nnUNetTrainerTAEPretrained",
    "nnUNetTrainerTAEPretrainedAuxReconstruction",
    "nnUNetTrainerVAEPretrained",
    "nnUNetTrainerVAEResidual",
]

_TRAINERS = {name: globals()[name] for name in __all__}


def __getattr__(name: str) -> type[_nnUNetTrainer]:
    """Trainers of any length, ``<name>_<N>epochs[_<M>iters]``; nnU-Net's own trainer too, as the baseline."""
    found = _variants.resolve(name, {**_TRAINERS, "nnUNetTrainer": _nnUNetTrainer})
    if found is not None:
        return found
    if not name.startswith("_"):
        _variants.refuse_misspelling(name, _TRAINERS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
