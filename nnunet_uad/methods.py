"""All methods and trainers by name: the one list that everything else is read from; loads nothing heavy.

A method of stage one is a row of :data:`METHODS`, a trainer of stage two a row of :data:`TRAINERS`. The plugin that
nnU-Net searches, what a study pretrains, ``nnunet_uad doctor``, the README's table and the citations follow from these
rows. Names are API: checkpoints store them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

PACKAGE = "nnunet_uad"
PRETRAINER_PREFIX, TRAINER_PREFIX = "nnUNetPretrainer", "nnUNetTrainer"
#: nnU-Net's own trainer, which studies compare with; not one of ours.
STOCK_TRAINER = "nnUNetTrainer"
#: Class attribute of a trainer of stage two that names the pretrainer of each part.
ATTRIBUTES = {"weights": "pretrainer", "restorer": "restorer_pretrainer"}


@dataclass(frozen=True)
class Method:
    """A way of learning normal anatomy without labels.

    Attributes:
        name: Name in records and trainers, e.g. ``DAE``.
        module: Module of its pretrainer below the package.
        summary: Line in the README's table.
        page: File below ``docs/``.
        citation: Reference to cite, in words.
        links: DOIs or arXiv pages of the works in ``citation``.
    """

    name: str
    module: str
    summary: str
    page: str
    citation: str
    links: tuple[str, ...]

    @property
    def pretrainer(self) -> str:
        """Name of the trainer of stage one."""
        return PRETRAINER_PREFIX + self.name


@dataclass(frozen=True)
class Use:
    """A trainer of stage two: which methods it uses, and how.

    Attributes:
        module: Module of the trainer below the package.
        summary: Line in the README's table; trainers with the same line share a row.
        page: File below ``docs/``.
        weights: Method whose weights the network starts from, empty for none.
        restorer: Method whose frozen model is part of the network, empty for none.
    """

    module: str
    summary: str
    page: str
    weights: str = ""
    restorer: str = ""

    @property
    def needs(self) -> dict[str, str]:
        """Pretrainers that must have run before: ``weights`` and ``restorer`` → name of the pretrainer."""
        return {k: PRETRAINER_PREFIX + m for k, m in {"weights": self.weights, "restorer": self.restorer}.items() if m}


_BAUR = (
    "Baur, Wiestler, Albarqouni, Navab: Deep Autoencoding Models for Unsupervised Anomaly Segmentation in Brain MR "
    "Images, BrainLes 2018, arXiv 1804.04488; Baur et al.: Autoencoders for Unsupervised Anomaly Segmentation in "
    "Brain MR Images: A Comparative Study, Medical Image Analysis 2021"
)
_BAUR_LINKS = ("https://arxiv.org/abs/1804.04488", "https://arxiv.org/abs/2004.03271")
_AUTOENCODERS = "spatial autoencoders: plain, variational, adversarial"

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "DAE",
            "pretrain.dae",
            "denoising autoencoder: removes coarse noise, on the plan's own network",
            "method-dae.md",
            "Kascenas, Pugeault, O'Neil: Denoising Autoencoders for Unsupervised Anomaly Detection in Brain MRI, "
            "MIDL 2022, PMLR 172:653-664",
            ("https://proceedings.mlr.press/v172/kascenas22a.html", "https://arxiv.org/abs/2301.08330"),
        ),
        Method(
            "MAE",
            "pretrain.mae",
            "masked autoencoder: fills hidden blocks, on the plan's own network",
            "method-mae.md",
            "Wald et al.: Revisiting MAE Pre-training for 3D Medical Image Segmentation, CVPR 2025; "
            "He et al.: Masked Autoencoders Are Scalable Vision Learners, CVPR 2022",
            ("https://arxiv.org/abs/2410.23132", "https://arxiv.org/abs/2111.06377"),
        ),
        Method(
            "TAE",
            "pretrain.tae",
            "tile-wise autoencoder: reconstructs the image from tiles seen one by one",
            "method-tae.md",
            "Chen: Towards to Robust and Generalized Medical Image Segmentation Framework, arXiv 2108.03823, 2021; "
            "TAE-Seg, IEEE Transactions on Instrumentation and Measurement 71, 2022",
            ("https://arxiv.org/abs/2108.03823",),
        ),
        Method(
            "Genesis",
            "pretrain.genesis",
            "Models Genesis: undoes changes of intensity, texture and context, on the plan's own network",
            "method-genesis.md",
            "Zhou, Sodha, Pang, Gotway, Liang: Models Genesis, Medical Image Analysis 67, 2021",
            ("https://doi.org/10.1016/j.media.2020.101840", "https://arxiv.org/abs/2004.07882"),
        ),
        Method("AE", "pretrain.ae", _AUTOENCODERS, "method-autoencoders.md", _BAUR, _BAUR_LINKS),
        Method("VAE", "pretrain.vae", _AUTOENCODERS, "method-autoencoders.md", _BAUR, _BAUR_LINKS),
        Method("AnoVAEGAN", "pretrain.ano_vae_gan", _AUTOENCODERS, "method-autoencoders.md", _BAUR, _BAUR_LINKS),
        Method(
            "PatchGAN",
            "pretrain.patch_gan",
            "autoencoder and patch-wise discriminator, whose map is the score",
            "method-patchgan.md",
            "A Patch-Wise Discriminator for Semi-Supervised Anomaly Segmentation, MSc thesis topic, 2021; Isola et al.:"
            " Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017",
            ("https://arxiv.org/abs/1611.07004",),
        ),
        Method(
            "DDPM",
            "pretrain.ddpm",
            "diffusion model of healthy anatomy",
            "method-ddpm.md",
            "Behrendt et al.: Combining Reconstruction-based Unsupervised Anomaly Detection with Supervised "
            "Segmentation for Brain MRIs, MIDL 2024, PMLR 250:87-102; Ho et al.: Denoising Diffusion Probabilistic "
            "Models, NeurIPS 2020",
            ("https://arxiv.org/abs/2312.04215", "https://arxiv.org/abs/2006.11239"),
        ),
        Method(
            "SyntheticAnomaly",
            "pretrain.synthetic_anomaly",
            "segments synthetic anomalies in healthy patches",
            "method-synthetic.md",
            "Zavrtanik et al.: DRAEM, ICCV 2021; Li et al.: CutPaste, CVPR 2021; Tan et al.: Detecting Outliers with "
            "Foreign Patch Interpolation, 2020, and Poisson Image Interpolation, MICCAI 2021; Baugh et al.: nnOOD, "
            "2022",
            (
                "https://arxiv.org/abs/2108.07610",
                "https://arxiv.org/abs/2104.04015",
                "https://arxiv.org/abs/2011.04197",
                "https://arxiv.org/abs/2107.02622",
            ),
        ),
    )
}

_FINE_TUNED = "supervised fine-tuning from those weights"
_RESIDUAL = "a frozen restorer inside the network; its residual joins the input channels"
_BANK = "lesions of the annotated cases, pasted elsewhere in training; from scratch or from the denoising autoencoder"


def _pretrained(method: str) -> Use:
    return Use("trainers.pretrained", _FINE_TUNED, "weights.md", weights=method)


def _residual(method: str) -> Use:
    return Use("trainers.residual", _RESIDUAL, "residual-channels.md", restorer=method)


TRAINERS: dict[str, Use] = {
    "nnUNetTrainerDAEPretrained": _pretrained("DAE"),
    "nnUNetTrainerMAEPretrained": _pretrained("MAE"),
    "nnUNetTrainerTAEPretrained": _pretrained("TAE"),
    "nnUNetTrainerGenesisPretrained": _pretrained("Genesis"),
    "nnUNetTrainerVAEPretrained": _pretrained("VAE"),
    "nnUNetTrainerSyntheticAnomalyPretrained": _pretrained("SyntheticAnomaly"),
    "nnUNetTrainerDiffusionResidual": _residual("DDPM"),
    "nnUNetTrainerDAEResidual": _residual("DAE"),
    "nnUNetTrainerMAEResidual": _residual("MAE"),
    "nnUNetTrainerTAEResidual": _residual("TAE"),
    "nnUNetTrainerGenesisResidual": _residual("Genesis"),
    "nnUNetTrainerAEResidual": _residual("AE"),
    "nnUNetTrainerVAEResidual": _residual("VAE"),
    "nnUNetTrainerAnoVAEGANResidual": _residual("AnoVAEGAN"),
    "nnUNetTrainerDAEPretrainedDiffusionResidual": Use(
        "trainers.pretrained_residual",
        "both: DAE weights, diffusion residual",
        "residual-channels.md",
        weights="DAE",
        restorer="DDPM",
    ),
    "nnUNetTrainerDiffusionResidualSynthetic": Use(
        "trainers.residual_synthetic",
        "diffusion residual, trained on synthetic anomalies and whatever annotated cases there are",
        "method-synthetic.md",
        restorer="DDPM",
    ),
    "nnUNetTrainerPatchGANScore": Use(
        "trainers.score",
        "a frozen discriminator inside the network; its map joins the input channels",
        "method-patchgan.md",
        restorer="PatchGAN",
    ),
    "nnUNetTrainerAuxReconstruction": Use(
        "trainers.aux_reconstruction",
        "a second decoder reconstructs the input in training; from scratch or from the tile-wise autoencoder",
        "method-tae.md",
    ),
    "nnUNetTrainerTAEPretrainedAuxReconstruction": Use(
        "trainers.aux_reconstruction",
        "a second decoder reconstructs the input in training; from scratch or from the tile-wise autoencoder",
        "method-tae.md",
        weights="TAE",
    ),
    "nnUNetTrainerLesionBank": Use("trainers.lesion_bank", _BANK, "lesion-bank.md"),
    "nnUNetTrainerDAEPretrainedLesionBank": Use("trainers.lesion_bank", _BANK, "lesion-bank.md", weights="DAE"),
    "nnUNetTrainerFromScratch": Use(
        "trainers.from_scratch", "the same schedule on random weights: the fair baseline", "fine-tuning.md"
    ),
}

#: Pretrainer's name → method.
PRETRAINERS: dict[str, Method] = {method.pretrainer: method for method in METHODS.values()}
#: Trainer → what it needs (``weights``, ``restorer``) → pretrainer; nnU-Net's own needs nothing.
NEEDS: dict[str, dict[str, str]] = {STOCK_TRAINER: {}} | {name: use.needs for name, use in TRAINERS.items()}
#: Methods that a ``nnUNetTrainer…Pretrained`` is named after, ascending.
FINE_TUNED: tuple[str, ...] = tuple(sorted(m for m in METHODS if f"{TRAINER_PREFIX}{m}Pretrained" in TRAINERS))
#: All trainers of both stages, ascending.
NAMES: tuple[str, ...] = tuple(sorted((*PRETRAINERS, *TRAINERS)))


def trainer_class(name: str) -> Any:
    """The class of a trainer of ours; imports the one module that holds it.

    Args:
        name: Name without a suffix for the length, one of :data:`NAMES`.

    Raises:
        KeyError: There is no such trainer.

    Example:
        >>> trainer_class("nnUNetPretrainerDAE").__name__
        'nnUNetPretrainerDAE'
    """
    module = (PRETRAINERS.get(name) or TRAINERS[name]).module
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def settings_classes() -> dict[str, type]:
    """Name of a trainer → its settings dataclass, of all trainers; imports all of them."""
    return {name: trainer_class(name).settings_class for name in NAMES}


def method_of(pretrainer: str) -> str:
    """The method of a pretrainer, by its name: ``nnUNetPretrainerDAE`` → ``DAE``; also of pretrainers of others."""
    return pretrainer.removeprefix(PRETRAINER_PREFIX)


def trainer_table() -> str:
    """The README's table of trainers, Markdown: a row per line of text, stage one first."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for stage, entries in (("one", PRETRAINERS), ("two", TRAINERS)):
        for name, entry in entries.items():
            rows.setdefault((stage, entry.summary, entry.page), []).append(f"`{name}`")
    lines = ["| stage | `-tr` | what it does | page |", "|---|---|---|---|"]
    for (stage, summary, page), names in rows.items():
        only = method_of(names[0].strip("`")) if stage == "one" and len(names) == 1 else ""
        title = only or page.removesuffix(".md").removeprefix("method-")
        lines.append(f"| {stage} | {', '.join(names)} | {summary} | [{title}](docs/{page}) |")
    return "\n".join(lines)
