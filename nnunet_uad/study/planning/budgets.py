"""Label budgets: which cases and slices of an outer fold are labelled, per budget and draw."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any

from nnunet_uad.data.splits import Split
from nnunet_uad.study.labelled import Budget
from nnunet_uad.study.planning.labels import Annotation
from nnunet_uad.study.planning.ordering import spread_order
from nnunet_uad.study.planning.slices import choose_slices, labelled_name
from nnunet_uad.study.study_file import POOL, Study


def outer_folds(
    study: Study, splits: list[Split], labelled: set[str], appended: Collection[int] = ()
) -> dict[str, Split]:
    """Outer fold → labelled training and test cases.

    Args:
        study: Settings of the study.
        splits: Splits of the dataset.
        labelled: Identifiers of the cases with labels.
        appended: Indices of the entries that studies appended for themselves, which ``all`` leaves out.

    Raises:
        ValueError: a fold that does not exist, or without labelled cases on either side.
    """
    numbers: list[int] = []
    if "all" in study.folds:
        # Entries that studies appended are tested on the cases of an earlier entry.
        own = [(k, s) for k, s in enumerate(splits) if k not in appended]
        first = {tuple(sorted(s["val"])): k for k, s in reversed(own)}
        numbers = sorted(first.values())
    numbers += [int(f) for f in study.folds if f != "all" and int(f) not in numbers]
    wrong = [n for n in numbers if n >= len(splits)]
    if wrong:
        raise ValueError(f"folds: there are the folds 0 to {len(splits) - 1}, not {', '.join(map(str, wrong))}.")
    outer = {}
    for number in numbers:
        split = {k: [c for c in splits[number][k] if c in labelled] for k in ("train", "val")}
        if not split["train"] or not split["val"]:
            raise ValueError(
                f"Fold {number} has no labelled {'training' if not split['train'] else 'validation'} case."
            )
        outer[str(number)] = split
    return outer


def plan_folds(study: Study, outer: dict[str, Split], annotations: dict[str, Annotation]) -> list[dict[str, Any]]:
    """A fold for every outer fold, budget and draw, by budget: the comparison of a budget is finished together."""
    orders = {
        (number, draw): case_order(split["train"], annotations, _seed(study, number, draw))
        for number, split in outer.items()
        for draw in range(study.draws)
    }
    folds = []
    for budget in map(Budget, study.budgets):
        for draw in range(study.draws):
            for number, split in outer.items():
                fold: dict[str, Any] = {
                    "id": f"{study.outer_name(number)}_{budget.text}_draw{draw}",
                    "outer": int(number),
                    "budget": budget.text,
                    "draw": draw,
                    "val": split["val"],
                    "slices": {},
                }
                order = orders[number, draw]
                if budget.in_slices:
                    fold |= _slice_fold(study, budget, order, annotations, fold["id"], number, draw)
                else:
                    fold |= _case_fold(budget, order, annotations, outer_words(study, number))
                folds.append(fold)
    return folds


def outer_words(study: Study, number: str) -> str:
    """``fold 0`` or ``the pool``.

    Args:
        study: Settings of the study.
        number: Index of the outer fold.
    """
    return "the pool" if study.test_cases else f"fold {number}"


def _seed(study: Study, outer: str, draw: int) -> str:
    # Not the pool's index, which other studies of the dataset decide.
    return f"{study.seed}/{POOL if study.test_cases else outer}/{draw}"


def case_order(cases: Sequence[str], annotations: dict[str, Annotation], seed: str) -> list[str]:
    """The order in which cases are labelled, every beginning spread over the labelled volumes.

    The first case has foreground: nobody would label a single case without any.
    """
    order = spread_order(sorted(cases, key=lambda c: (annotations[c].volume, c)), random.Random(seed))
    first = next((k for k, c in enumerate(order) if annotations[c].volume > 0), 0)
    return [order[first], *order[:first], *order[first + 1 :]]


def _case_fold(budget: Budget, order: Sequence[str], annotations: dict[str, Annotation], outer: str) -> dict[str, Any]:
    count = budget.count or len(order)
    if count > len(order):
        raise ValueError(f"budgets: {budget.words} are more than the {len(order)} labelled training cases of {outer}.")
    chosen = order[:count]
    return {"train": sorted(chosen), "annotated_slices": sum(annotations[c].slices for c in chosen)}


def _slice_fold(
    study: Study,
    budget: Budget,
    order: Sequence[str],
    annotations: dict[str, Annotation],
    name: str,
    outer: str,
    draw: int,
) -> dict[str, Any]:
    cases = order[: study.slice_cases]
    count = budget.count or 0
    slices = choose_slices(cases, annotations, count, _seed(study, outer, draw))
    annotated = sum(map(len, slices.values()))
    if annotated < count:
        raise ValueError(
            f"budgets: {budget.words} are more than the {annotated} slices of {', '.join(cases)} "
            f"({outer_words(study, outer)}, draw {draw}). Spread them over more cases: slice_cases: "
            f"{study.slice_cases + 1}"
        )
    return {
        "train": sorted(labelled_name(c, name) for c in slices),
        "slices": slices,
        "annotated_slices": annotated,
    }
