"""Label budgets as folds: entries behind those that ``splits_final.json`` has; what is there is never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.crossval_split import generate_crossval_split

from nnunet_uad.common.files import write_json
from nnunet_uad.data.splits import NUM_FOLDS, SPLITS_FILE, Split, ensure_splits, splits_of


def outer_splits(folder: Path, identifiers: list[str]) -> list[Split]:
    """The dataset's splits; nnU-Net's own five folds are written where there are none yet."""
    path = folder / SPLITS_FILE
    if not path.is_file() and not ensure_splits(folder, identifiers):
        # As nnUNetTrainer.do_split, which writes them when the first fold is trained.
        keys = list(np.sort(identifiers))
        splits = generate_crossval_split(keys, seed=12345, n_splits=NUM_FOLDS)
        write_json(path, [{k: [str(i) for i in v] for k, v in s.items()} for s in splits])
    return splits_of(folder)


def assign_indices(splits: list[Split], wanted: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> None:
    """Give every wanted fold its index in ``splits_final.json``.

    Args:
        splits: Splits as they are on disk.
        wanted: Folds with ``id``, ``train`` and ``val``; gain ``index``.
        known: Identifier → fold of an earlier plan, which keeps its index.

    Raises:
        ValueError: the splits are not those that the earlier plan left.
    """
    following = max([len(splits), *(fold["index"] + 1 for fold in known.values())])
    for fold in wanted:
        old = known.get(fold["id"])
        if old is None:
            fold["index"] = following
            following += 1
            continue
        same = old["train"] == fold["train"] and old["val"] == fold["val"]
        on_disk = splits[old["index"]] if old["index"] < len(splits) else None
        if not same or (on_disk is not None and on_disk != {"train": fold["train"], "val": fold["val"]}):
            raise ValueError(
                f"Fold {old['index']}, planned as {fold['id']}, holds other cases now: the dataset, its splits or the "
                "study's seed changed since it was planned. Restore them, or plan anew under another name: copy the "
                "YAML, or set another output."
            )
        fold["index"] = old["index"]


def append_splits(path: Path, splits: list[Split], folds: list[dict[str, Any]]) -> None:
    """Write the folds that ``splits_final.json`` does not have yet; nothing is written if it has all.

    Raises:
        ValueError: an index is neither there nor the next: entries were removed.
    """
    new = {f["index"]: {"train": f["train"], "val": f["val"]} for f in folds if f["index"] >= len(splits)}
    if not new:
        return
    if sorted(new) != list(range(len(splits), len(splits) + len(new))):
        raise ValueError(
            f"{path} has {len(splits)} entries, but the study's folds go on at {min(new)}: entries were removed since "
            "it was planned. Restore the file, or plan anew under another output."
        )
    write_json(path, [*splits, *(new[index] for index in sorted(new))])
