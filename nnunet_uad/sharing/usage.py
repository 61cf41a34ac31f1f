"""The commands that use a file of weights."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from nnunet_uad.methods import PRETRAINER_PREFIX, TRAINERS
from nnunet_uad.weights.names import RESTORER_VARIABLE, WEIGHTS_VARIABLE
from nnunet_uad.weights.record import PretrainRecord

_VARIABLES = {"weights": WEIGHTS_VARIABLE, "restorer": RESTORER_VARIABLE}


def commands(path: Path | str, record: PretrainRecord | None) -> list[str]:
    """Lines for a shell: the plan that the weights want, the variable that names them, the training.

    Args:
        path: File of weights.
        record: Record of the weights, ``None`` if they have none.

    Example:
        >>> commands("W.safetensors", None)[-1]
        'nnUNetv2_train DATASET CONFIGURATION FOLD -tr nnUNetTrainerDAEPretrained'
    """
    method, configuration = (record.method, record.configuration) if record else ("DAE", "CONFIGURATION")
    use, trainer = _use(method)
    lines = []
    if record is not None:
        parent = "2d" if record.dimension == 2 else "3d_fullres"
        configuration = "like_weights"
        lines += [
            f"nnunet_uad small-plan -d DATASET -c {parent} --like {quote(str(path))} --name {configuration}",
            f"nnUNetv2_preprocess -d DATASET -c {configuration}",
        ]
    if not trainer:
        return lines
    lines.append(f"export {_VARIABLES[use]}={quote(str(path))}")
    return [*lines, f"nnUNetv2_train DATASET {configuration} FOLD -tr {trainer}"]


def _use(method: str) -> tuple[str, str]:
    """What a method's weights are used as, and the first trainer that does so with no other weights beside."""
    pretrainer = PRETRAINER_PREFIX + method
    for use in _VARIABLES:
        for name, row in TRAINERS.items():
            if row.needs == {use: pretrainer}:
                return use, name
    return "", ""
