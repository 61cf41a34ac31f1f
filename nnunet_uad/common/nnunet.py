"""nnU-Net's folders: where its variables point, which dataset a number means, where models and the plugin lie."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.bounds import BatchSize, PatchSize, VoxelSize
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.schema import build, shown

#: What ``nnUNet_extTrainer`` must name, so that nnU-Net finds the trainers.
PLUGIN_FOLDER = Path(__file__).resolve().parent.parent / "plugin"

#: What a dataset is named by, number or name, as a regular expression.
DATASET = r"[0-9]{1,9}|[^\W\d][^/\\*?\x00-\x1f]{0,200}"

#: What names of plans and configurations, which become parts of the names of folders and files, must match.
FOLDER_NAME = r"(?![.\s-])(?!.*__)[^/\\*?\[\]\x00-\x1f]{1,100}(?<!\s)"

#: Checkpoint of a finished training.
CHECKPOINT = "checkpoint_final.pth"


@dataclass(frozen=True)
class ConfigurationForm:
    """What a configuration must hold, with what it inherits.

    Attributes:
        data_identifier: Name of the folder of its preprocessed data.
        spacing: Edge length of a voxel, mm per axis.
        patch_size: Patch size, voxels per axis.
        batch_size: Number of patches per step.
    """

    data_identifier: str
    spacing: list[VoxelSize]
    patch_size: list[PatchSize]
    batch_size: BatchSize

    def __post_init__(self) -> None:
        if not len(self.spacing) == len(self.patch_size) in (2, 3):
            raise ValueError(f"spacing and patch_size expect 2 or 3 axes, found {self.spacing} and {self.patch_size}.")


@dataclass(frozen=True)
class ModelFolder:
    """Where nnU-Net keeps a model: ``results/dataset/TRAINER__PLANS__CONFIGURATION``.

    Attributes:
        results: Folder of all results, nnUNet_results.
        dataset: Full name of the dataset, ``Dataset901_Tumour``.
        trainer: Full name of the trainer, the suffix for its length included.
        plans: Name of the plans.
        configuration: Name of the configuration.

    Example:
        >>> model = ModelFolder(Path("results"), "Dataset901_Tumour", "nnUNetPretrainerDAE", "nnUNetPlans", "2d")
        >>> str(model.fold(0))
        'results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d/fold_0'
        >>> ModelFolder.from_path(model.path) == model
        True
    """

    results: Path
    dataset: str
    trainer: str
    plans: str
    configuration: str

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"{self.trainer}__{self.plans}__{self.configuration}"

    @property
    def path(self) -> Path:
        """The folder, which holds plans.json, dataset.json and the folds."""
        return self.results / self.dataset / self.name

    def fold(self, fold: int | str) -> Path:
        """Folder of a fold.

        Args:
            fold: Number of the fold, or ``all``.
        """
        return self.path / f"fold_{fold}"

    @classmethod
    def from_path(cls, path: Path) -> ModelFolder:
        """Read the names from a path.

        Args:
            path: Folder of a model.

        Raises:
            ValueError: The folder is not named as nnU-Net names models.
        """
        parts = path.name.split("__")
        if len(parts) != 3:
            raise ValueError(
                f"Expected the folder of a model, DATASET/TRAINER__PLANS__CONFIGURATION below nnUNet_results, found "
                f"{path}."
            )
        return cls(path.parent.parent, path.parent.name, *parts)


def required_folder(variable: str) -> Path:
    """The folder that an nnU-Net environment variable names.

    Args:
        variable: Name of the variable, for example ``nnUNet_raw``.

    Raises:
        RuntimeError: The variable is not set or names no folder.
    """
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        raise RuntimeError(
            f"The environment variable {variable} is {f'set to {value!r}, which is no folder' if value else 'not set'}"
            f". Set it: export {variable}=/path/to/{variable}"
        )
    return Path(value)


def dataset_folder(variable: str, dataset: str) -> Path:
    """The folder of a dataset.

    Args:
        variable: Name of the variable whose folder holds the dataset: ``nnUNet_raw``, ``nnUNet_preprocessed``.
        dataset: Number or full name of the dataset.

    Raises:
        ValueError: No dataset has that number or name, or several have that number.
    """
    root = required_folder(variable)
    try:
        return root / dataset_name(root, dataset)
    except ValueError as error:
        number = dataset_number(dataset)
        named = f" -d {number}" if number.isdecimal() else ""
        fix = (
            f" Plan and preprocess first: nnUNetv2_plan_and_preprocess{named}" if variable.endswith("processed") else ""
        )
        raise ValueError(f"{variable}: {error}{fix}") from error


def dataset_number(dataset: str) -> str:
    """The number of a dataset, which nnU-Net's commands before training take only.

    Args:
        dataset: Number or full name of the dataset.

    Example:
        >>> dataset_number("Dataset901_Tumour"), dataset_number("901")
        ('901', '901')
    """
    return dataset.removeprefix("Dataset").split("_")[0]


def dataset_name(root: Path, dataset: str) -> str:
    """Full name of a dataset that has a folder below ``root``.

    Args:
        root: Folder of datasets.
        dataset: Number or full name of the dataset.

    Raises:
        ValueError: No dataset has that number or name, or several have that number.
    """
    names = dataset_names(root, dataset)
    if len(names) != 1:
        present = ", ".join(p.name for p in sorted(root.glob("Dataset*"))) or "none"
        raise ValueError(
            f"Expected one dataset {shown(dataset)} in {root}, found {len(names)}. Datasets there: {present}."
        )
    return names[0]


def dataset_names(root: Path, dataset: str) -> list[str]:
    """Full names of the datasets below ``root`` that a number or name means: one if all is well.

    Args:
        root: Folder of datasets, which need not exist.
        dataset: Number or full name of the dataset.
    """
    # Compared, not matched as a pattern: a name may hold brackets, and an asterisk is none.
    start = f"Dataset{dataset.lstrip('0').zfill(3)}_" if dataset.isascii() and dataset.isdigit() else None
    folders = (p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else ()
    return sorted(name for name in folders if (name.startswith(start) if start else name == dataset))


def channel_names(dataset_json: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a dataset's channels, in their order.

    Args:
        dataset_json: Content of the dataset's ``dataset.json``.

    Example:
        >>> channel_names({"channel_names": {"0": "FLAIR", "1": "T1"}})
        ('FLAIR', 'T1')
    """
    return tuple(str(name) for name in dataset_json["channel_names"].values())


def require_configuration(plans: str, configurations: Iterable[str], name: str, hint: str = "") -> None:
    """Refuse plans that lack a configuration.

    Args:
        plans: Name of the plans, for the error.
        configurations: Names of the configurations that they have.
        name: Name of the configuration that is needed.
        hint: Sentence that says what to do, for the error.

    Raises:
        ValueError: The configuration is none of them; names those that there are.
    """
    if name not in configurations:
        raise ValueError(
            f"The plans {plans} have no configuration {name!r}; they have: {', '.join(configurations)}.{hint}"
        )


def resolved_configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits; as nnU-Net's PlansManager, which would load PyTorch.

    Args:
        plans: Content of the plans.
        name: Name of one of their configurations.

    Raises:
        ValueError: The configuration inherits from itself, or from one that there is not.
    """
    resolved: dict[str, Any] = {}
    for ancestor in reversed(ancestors(plans, name)):
        resolved |= plans["configurations"][ancestor]
    return resolved


def usable_configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits, which has all that data are found and sized by.

    Args:
        plans: Content of the plans.
        name: Name of one of their configurations.

    Raises:
        ValueError: The configuration is broken; names the plans, the key, what is expected and what was found.
    """
    resolved = resolved_configuration(plans, name)
    build(ConfigurationForm, resolved, f"The plans {plans.get('plans_name')}: {name}", ignore_unknown=True)
    return resolved


def ancestors(plans: Mapping[str, Any], name: str) -> list[str]:
    """A configuration and those that it inherits from, the nearest first.

    Args:
        plans: Content of the plans.
        name: Name of one of their configurations.

    Raises:
        ValueError: The configuration inherits from itself, or from one that there is not, or the plans' configurations
            are no names with settings.
    """
    chain: list[str] = []
    parent: Any = name
    configurations = plans.get("configurations")
    if not isinstance(configurations, Mapping) or not all(isinstance(c, Mapping) for c in configurations.values()):
        raise ValueError(
            f"The plans {plans.get('plans_name')} are broken: configurations expects names with settings each, found "
            f"{shown(configurations)}."
        )
    while True:
        if parent in chain or not isinstance(parent, str) or parent not in configurations:
            reason = "itself" if parent in chain else f"{shown(parent)}, which they do not have"
            raise ValueError(
                f"The plans {plans.get('plans_name')} are broken: {' → '.join(map(str, chain))} inherits from "
                f"{reason}. Remove the configuration {chain[-1] if chain else name} from them."
            )
        chain.append(parent)
        if "inherits_from" not in configurations[parent]:
            return chain
        parent = configurations[parent]["inherits_from"]


def load_json(path: Path, command: str) -> dict[str, Any]:
    """Read a JSON file that holds names with values.

    Args:
        path: File to read.
        command: Command that makes the file, for the error.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no JSON, e.g. cut off, or holds something else.
    """
    return read_mapping(path, f"Make it: {command}")
