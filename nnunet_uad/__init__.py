"""nnunet_uad: unsupervised anomaly detection and low-label fine-tuning inside nnU-Net v2.

The names below are the package's face for Python; each is imported when it is asked for, so that ``import nnunet_uad``
costs nothing. Trainings are started by nnU-Net's own commands. See docs/python.md.

Example:
    >>> import nnunet_uad
    >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
    >>> restorer = nnunet_uad.load_restorer(model, device="cpu")
    >>> case = nnunet_uad.score_files(restorer, ["IMAGES/case_0000.nii.gz", "IMAGES/case_0001.nii.gz"])
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunet_uad.data.preprocess import CohortRequest, preprocess_cohort
    from nnunet_uad.evaluation.folders import evaluate_folders
    from nnunet_uad.evaluation.request import EvaluationRequest
    from nnunet_uad.inference.append_residuals import AppendRequest, ChannelsRequest, append_residuals, write_channels
    from nnunet_uad.inference.model import load_restorer
    from nnunet_uad.inference.pipeline import score_files
    from nnunet_uad.inference.predict import PredictRequest, predict_folder
    from nnunet_uad.screening.request import ScreenRequest
    from nnunet_uad.screening.run import screen_folder
    from nnunet_uad.selection.request import NextRequest
    from nnunet_uad.selection.run import label_next
    from nnunet_uad.weights.readers import read_weights
    from nnunet_uad.weights.safe_file import read_record
    from nnunet_uad.weights.transfer import transfer

#: Version of what is installed, which the release's tag sets (setuptools-scm); read when it is asked for.
__version__: str

__all__ = [
    "AppendRequest",
    "ChannelsRequest",
    "CohortRequest",
    "EvaluationRequest",
    "NextRequest",
    "PredictRequest",
    "ScreenRequest",
    "append_residuals",
    "evaluate_folders",
    "label_next",
    "load_restorer",
    "predict_folder",
    "preprocess_cohort",
    "read_record",
    "read_weights",
    "score_files",
    "screen_folder",
    "transfer",
    "write_channels",
]

#: Module below the package → what it gives to the face.
_HOMES = {
    "data.preprocess": ("CohortRequest", "preprocess_cohort"),
    "evaluation.folders": ("evaluate_folders",),
    "evaluation.request": ("EvaluationRequest",),
    "inference.append_residuals": ("AppendRequest", "ChannelsRequest", "append_residuals", "write_channels"),
    "inference.model": ("load_restorer",),
    "inference.pipeline": ("score_files",),
    "inference.predict": ("PredictRequest", "predict_folder"),
    "screening.request": ("ScreenRequest",),
    "screening.run": ("screen_folder",),
    "selection.request": ("NextRequest",),
    "selection.run": ("label_next",),
    "weights.readers": ("read_weights",),
    "weights.safe_file": ("read_record",),
    "weights.transfer": ("transfer",),
}


def __getattr__(name: str) -> Any:
    """Import what the face offers, and read the version, when it is asked for."""
    if name == "__version__":
        return _version()
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version(__name__)
    except metadata.PackageNotFoundError:
        # A folder on PYTHONPATH that nobody installed.
        return "0+unknown"


def __dir__() -> list[str]:
    """What tab completion shows."""
    return sorted({*globals(), *__all__})
