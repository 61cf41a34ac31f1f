"""A dataset's preprocessed data under splits of one's own, without copying or changing anything."""

from __future__ import annotations

from pathlib import Path

from nnunet_uad.common.files import write_json
from nnunet_uad.data.splits import SPLITS_FILE


def link_preprocessed(source: str | Path, root: str | Path, splits: list[dict[str, list[str]]]) -> Path:
    """Link a preprocessed dataset into another folder and give it other splits.

    Args:
        source: Folder of a dataset in ``nnUNet_preprocessed``.
        root: Folder that is to be used as ``nnUNet_preprocessed``.
        splits: Content of the new ``splits_final.json``.

    Returns:
        The dataset's folder below ``root``.
    """
    source = Path(source).resolve()
    target = Path(root) / source.name
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        link = target / path.name
        if path.name != SPLITS_FILE and not link.exists():
            link.symlink_to(path, target_is_directory=path.is_dir())
    write_json(target / SPLITS_FILE, splits)
    return target
