"""Results must not pass for something else than they are: what an arm and a pretraining meant when they were run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_uad.common.slugs import slug
from nnunet_uad.data.content import file_digests
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.sections import Length
from nnunet_uad.study.study_file import Study

#: Parts of the plan whose entries keep their meaning.
KINDS = ("arms", "pretrainings")


def arm_content(study: Study, name: str, needs: dict[str, Any], pretrainings: dict[str, Any]) -> dict[str, Any]:
    """All that a cell of an arm depends on, besides its fold."""
    arm = study.trainers[name]
    if arm.screen:
        return _of_both(*(arm_content(study, other, needs, pretrainings) for other in arm.screen))
    # Maps depend on no fine-tuning; what they do depend on is said by the pretraining.
    length = Length() if arm.label_free else study.fine_tuning
    wanted = {identifier for fold in needs[name].values() for identifier in fold.values()}
    stage_one = {(pretrainings[i]["trainer"], pretrainings[i]["dataset"]) for i in wanted}
    return {
        "trainer": arm.trainer + length.suffix,
        "settings": f"{length.settings} {arm.settings}".strip(),
        "pretraining": [[*entry, study.pretraining_of(arm).settings] for entry in sorted(stage_one)],
        "mirroring": study.mirroring,
        "seed": study.seed,
        # Earlier versions knew no files of weights.
        **({"weights": file_digests([Path(arm.weights)])[Path(arm.weights)]} if arm.weights else {}),
    }


def _of_both(segments: dict[str, Any], maps: dict[str, Any]) -> dict[str, Any]:
    """A screen depends on all that its two arms depend on, whatever their names are."""
    settings = [part["settings"] for part in (segments, maps)]
    stage_one = [*segments["pretraining"], *maps["pretraining"]]
    return {
        **segments,
        "trainer": f"{segments['trainer']} + {maps['trainer']}",
        "settings": " + ".join(settings) if any(settings) else "",
        "pretraining": [entry for k, entry in enumerate(stage_one) if entry not in stage_one[:k]],
    }


def refuse_changes(layout: Layout, earlier: dict[str, Any], now: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Compare with what was planned before.

    Args:
        layout: Folder of the study.
        earlier: Plan so far; empty at first.
        now: Entries of the new plan by kind and name.

    Returns:
        Entries that the new plan has not, by kind and name, to be remembered.

    Raises:
        ValueError: an entry that has results was something else; names what changed and the results' folders.
    """
    dropped = {}
    for kind in KINDS:
        known = {**earlier.get("dropped", {}).get(kind, {}), **earlier.get(kind, {})}
        for name, content in now[kind].items():
            old, present = known.get(name, content), [str(p) for p in _places(layout, kind, name) if p.exists()]
            if old != content and present:
                changed = [f"{k}: {old.get(k)!r}, now {content[k]!r}" for k in content if old.get(k) != content[k]]
                raise ValueError(
                    f"{name} has results from when it was something else ({'; '.join(changed)}). Give what is new "
                    f"another name or another output; or remove {', '.join(present)}."
                )
        dropped[kind] = {name: old for name, old in known.items() if name not in now[kind]}
    return dropped


def _places(layout: Layout, kind: str, name: str) -> list[Path]:
    """Where the results of an arm or a pretraining are."""
    if kind == "pretrainings":
        return [layout.pretrained(name), layout.results() / name]
    return [layout.folder / "cells" / slug(name), layout.results(slug(name))]
