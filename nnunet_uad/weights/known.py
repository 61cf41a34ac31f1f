"""What is known of a weight file, in words."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_uad.weights.printable import printable
from nnunet_uad.weights.source import SourceWeights

_KINDS = {
    "nnunet_uad": "weights and record of a pretrainer",
    "safetensors": "safetensors without a record of this plugin",
    "nnunet": "checkpoint of nnU-Net",
    "nnssl": "checkpoint with nnssl's adaptation plan",
    "amaes": "U-Net of AMAES or of the FOMO25 baseline",
}
_UNKNOWN = "not in the file"
#: Letters of what a file says that are shown.
_MOST_SHOWN = 600


def known(source: SourceWeights) -> dict[str, str]:
    """What is to be known before weights are used: a topic → what the file says.

    Args:
        source: Weights as they were read.

    Example:
        >>> from pathlib import Path
        >>> known(SourceWeights(Path("x.pth"), "nnssl", {}, spacing=(1.0, 1.0, 1.0)))["spacing"]
        '1 x 1 x 1 mm'
    """
    trained = [source.dataset, source.plans, source.configuration, f"fold {source.fold}" if source.fold else ""]
    names = ", ".join(source.channel_names)
    count = source.channels
    network = source.architecture.in_words() if source.architecture else ""
    topics = {
        "file": _KINDS[source.kind],
        "written by": source.trainer,
        "trained on": ", ".join(filter(None, trained)),
        "network": network,
        "channels": names or (f"{count}, without names" if count else ""),
        "spacing": f"{by(source.spacing)} mm" if source.spacing else "",
        "normalisation": ", ".join(dict.fromkeys(source.normalization)),
        "patch": f"{by(source.patch_size)} voxels" if source.patch_size else "",
        "licence": getattr(source.record, "licence", "") or "not in the file: look where it came from",
        "please cite": source.citation,
    }
    return {topic: printable(text, _MOST_SHOWN) or _UNKNOWN for topic, text in topics.items()}


def by(lengths: Sequence[float]) -> str:
    """Lengths per axis in words: ``96 x 96``.

    Args:
        lengths: Numbers, one per axis.
    """
    return " x ".join(f"{length:g}" for length in lengths)
