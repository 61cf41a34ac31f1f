"""From raw data to preprocessed ones, if they are not there yet."""

from __future__ import annotations

import json
from pathlib import Path

from nnunet_uad.common.commands import executable
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.study_file import Study

STARTED = "preprocessing"


def is_prepared(preprocessed: Path, study: Study, folder: Path) -> bool:
    """The plans hold the configuration, its data are there, and no preprocessing of ours was interrupted.

    Args:
        preprocessed: the dataset's folder in nnUNet_preprocessed, which need not exist.
        study: settings.
        folder: of the study.
    """
    path = preprocessed / f"{study.plans}.json"
    if (folder / STARTED).is_file() or not path.is_file():
        return False
    configuration = json.loads(path.read_text(encoding="utf-8"))["configurations"].get(study.configuration)
    if configuration is None:
        return False
    data = preprocessed / configuration.get("data_identifier", f"{study.plans}_{study.configuration}")
    return any(data.glob("*.pkl"))


def preparation_commands(layout: Layout) -> list[list[str]]:
    """What is left to do between raw data and the preprocessed configuration.

    Raises:
        ValueError: a configuration that neither the plans nor the study describe.
    """
    study = layout.study
    preprocessed = Path(layout.request["paths"]["nnUNet_preprocessed"])
    found = sorted(
        preprocessed.glob(f"Dataset{int(study.dataset):03d}_*" if study.dataset.isdigit() else study.dataset)
    )
    folder = found[0] if found else preprocessed / "missing"
    if is_prepared(folder, study, layout.folder):
        return []
    # Preprocessing starts from nothing when it is repeated; until it has ended, its data do not count.
    (layout.folder / STARTED).touch()
    commands = []
    small = study.small_plan
    base = small.base if small else study.configuration
    path = folder / f"{study.plans}.json"
    if not path.is_file():
        commands.append([executable("nnUNetv2_extract_fingerprint"), "-d", study.dataset])
        commands.append([executable("nnUNetv2_plan_experiment"), "-d", study.dataset])
    configurations = json.loads(path.read_text(encoding="utf-8"))["configurations"] if path.is_file() else {}
    if small and study.configuration not in configurations:
        sizes = {
            "--spacing": small.spacing,
            "--patch": small.patch,
            "--features": small.features,
            "--batch": [small.batch],
        }
        words = [executable("nnunet_uad"), "small-plan", "-d", study.dataset, "-c", base, "-p", study.plans]
        words += ["--name", study.configuration]
        commands.append(words + [str(w) for flag, values in sizes.items() for w in (flag, *values)])
    commands.append(
        [executable("nnUNetv2_preprocess"), "-d", study.dataset, "-plans_name", study.plans, "-c", study.configuration]
    )
    return commands
