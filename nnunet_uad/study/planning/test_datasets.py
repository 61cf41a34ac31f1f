"""Further labelled datasets that every cell is tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_uad.common.nnunet import channel_names, dataset_name
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.planning.source import Source
from nnunet_uad.study.study_file import Study


def plan_tests(study: Study, layout: Layout, raw: Path, source: Source) -> list[dict[str, Any]]:
    """Link the images of the further datasets in the order of the model's channels.

    Raises:
        ValueError: other channels, another file ending, no labelled case, or the study's own dataset.
    """
    channels, ending = channel_names(source.dataset_json), source.dataset_json["file_ending"]
    tests = []
    for wanted in study.test:
        name = dataset_name(raw, wanted)
        if name == source.folder.name:
            raise ValueError(f"test lists {wanted}, the study's own dataset, whose folds are tested anyway.")
        description = load_dataset_json(raw / name / "dataset.json")
        if description["file_ending"] != ending:
            raise ValueError(f"{name} has images {description['file_ending']}, the models expect {ending}.")
        cases = [case for case in raw_cases(raw / name, channels)[0] if case.label is not None]
        if not cases:
            raise ValueError(f"{name} has no labelled case to test on.")
        folder = layout.images(name)
        folder.mkdir(parents=True, exist_ok=True)
        for case in cases:
            for channel, path in enumerate(case.images):
                link = folder / f"{case.identifier}_{channel:04d}{ending}"
                if not link.is_symlink():
                    link.symlink_to(Path(path).resolve())
        tests.append(
            {
                "dataset": name,
                "labels": {case.identifier: str(Path(case.label).resolve()) for case in cases if case.label},
                "classes": description["labels"],
            }
        )
    return tests
