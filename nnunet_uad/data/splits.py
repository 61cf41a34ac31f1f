"""Cross-validation for datasets too small for nnU-Net's five folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.files import write_json
from nnunet_uad.common.nnunet_files import load_splits

SPLITS_FILE = "splits_final.json"
NUM_FOLDS = 5

Split = dict[str, list[str]]


def ensure_splits(folder: str | Path, identifiers: Sequence[str]) -> int | None:
    """Write leave-one-out splits where nnU-Net's five folds are impossible and no splits exist yet.

    The file is the one that nnU-Net reads, so its own trainers find it too. With five cases or more nothing is
    done: nnU-Net makes its own.

    Args:
        folder: Folder of the dataset in ``nnUNet_preprocessed``.
        identifiers: All cases of the dataset.

    Returns:
        The number of folds written, ``None`` if nothing was to do.

    Raises:
        ValueError: The dataset has a single case, which can only be trained on with fold ``all``, or splits that are
            damaged.
    """
    path = Path(folder) / SPLITS_FILE
    # nnU-Net reads it next, and would not say which file is damaged.
    if path.exists():
        splits_of(folder)
    if path.exists() or len(identifiers) >= NUM_FOLDS:
        return None
    if len(identifiers) < 2:
        raise ValueError(
            f"{folder} holds {len(identifiers)} case(s); a fold needs at least one for training and one for "
            "validation. Train on everything instead: nnUNetv2_train DATASET CONFIGURATION all …"
        )
    # It takes two seconds to import, and nearly every command reads splits.
    from nnunetv2.utilities.crossval_split import generate_crossval_split

    splits = generate_crossval_split(sorted(identifiers), seed=12345, n_splits=len(identifiers))
    write_json(path, [{k: [str(i) for i in v] for k, v in s.items()} for s in splits])
    return len(identifiers)


def splits_of(folder: str | Path) -> list[Split]:
    """The splits of a dataset; none if there is no file.

    Args:
        folder: Folder of the dataset in ``nnUNet_preprocessed``.

    Raises:
        ValueError: The file is damaged.
    """
    path = Path(folder) / SPLITS_FILE
    return load_splits(path, "Restore it, or delete it for nnU-Net to make it anew.") if path.is_file() else []
