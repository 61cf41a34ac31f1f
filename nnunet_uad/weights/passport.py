"""What a weight file is and what is known of it, whoever wrote it: the one table that commands and the card show."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_uad.weights.printable import by, printable
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights

_KINDS = {
    "nnunet_uad": "weights and record of a pretrainer of nnunet_uad",
    "safetensors": "safetensors without a record of nnunet_uad",
    "nnunet": "checkpoint of nnU-Net",
    "nnssl": "checkpoint of nnssl or written alike, with its adaptation plan",
    "amaes": "U-Net of AMAES or of the FOMO25 baseline",
}
_NOBODY = "nobody knows which: the file has no record of them, so leakage cannot be checked"
#: Letters of what a file says that are shown.
_MOST_SHOWN = 2000


@dataclass(frozen=True)
class Row:
    """One thing that is to be known.

    Attributes:
        topic: Noun for it.
        words: Text of what is known; empty if nothing.
    """

    topic: str
    words: str


def passport(source: SourceWeights) -> list[Row]:
    """The rows, in their order.

    Args:
        source: Weights of any kind that can be read.

    Example:
        >>> from pathlib import Path
        >>> rows = passport(SourceWeights(Path("x.pth"), "nnssl", {}, spacing=(1.0, 1.0, 1.0)))
        >>> [row.words for row in rows if row.topic in ("kind", "spacing")]
        ['checkpoint of nnssl or written alike, with its adaptation plan', '1 x 1 x 1 mm']
    """
    # nnU-Net's networks have most tensors under several names, and files keep each once.
    scalars = sum({tensor.data_ptr(): tensor.numel() for tensor in source.tensors.values()}.values())
    plan = (source.plans, source.configuration)
    rows = [
        Row("file", f"{source.path.name}, {scalars / 1e6:.2f} million numbers"),
        Row("kind", _KINDS[source.kind]),
        Row("trainer", source.trainer),
        Row("dataset", ", ".join(filter(None, (source.dataset, f"fold {source.fold}" if source.fold else "")))),
        Row("plan", " ".join(filter(None, plan))),
        Row("network", source.architecture.in_words() if source.architecture else ""),
        Row("channels", _channels(source)),
        Row("spacing", f"{by(source.spacing)} mm" if source.spacing else ""),
        Row("normalisation", ", ".join(dict.fromkeys(source.normalization))),
        Row("patch", _patch(source)),
        Row("length", _length(source)),
        *_of_record(source.record),
        Row("citation", source.citation),
    ]
    return [Row(row.topic, printable(row.words)) for row in rows]


def unknown(rows: list[Row]) -> list[str]:
    """Topics of which nothing is known.

    Args:
        rows: Rows of :func:`passport`.
    """
    return [row.topic for row in rows if not row.words]


def passport_lines(source: SourceWeights) -> list[str]:
    """The rows as a terminal shows them; the last line names what is not known.

    Args:
        source: Weights of any kind that can be read.
    """
    rows = passport(source)
    lines = [f"{row.topic:15s} {printable(row.words, _MOST_SHOWN)}" for row in rows if row.words]
    elsewhere = "" if source.record else " (not in the file: look where it came from)"
    return [*lines, f"{'not known':15s} {', '.join(missing)}{elsewhere}"] if (missing := unknown(rows)) else lines


def _of_record(record: PretrainRecord | None) -> list[Row]:
    """What only a record of ours tells; of files of others that nobody knows it."""
    if record is None:
        return [Row("training cases", _NOBODY), Row("licence", "")]
    return [
        Row("method", record.method),
        Row("training cases", _cases(record)),
        Row("went on from", _bases(record)),
        Row("validation", _validation(record)),
        Row("licence", record.licence),
        Row("data", record.data_statement),
        Row("versions", ", ".join(f"{k} {v}" for k, v in sorted(record.versions.items()))),
    ]


def _channels(source: SourceWeights) -> str:
    count = source.channels
    return ", ".join(source.channel_names) or (f"{count}, without names" if count else "")


def _patch(source: SourceWeights) -> str:
    if not source.patch_size:
        return ""
    return f"{by(source.patch_size)} voxels" + (f", {source.batch_size} per step" if source.batch_size else "")


def _length(source: SourceWeights) -> str:
    record = source.record
    if record is None:
        return "" if source.epoch is None else f"{source.epoch} epochs"
    steps = record.epochs_trained * record.iterations_per_epoch
    done = f"{record.epochs_trained} epochs of {record.iterations_per_epoch} steps, {steps} steps"
    unfinished = record.epochs_trained < record.num_epochs
    return f"{done}; unfinished, {record.num_epochs} epochs were planned" if unfinished else done


def _cases(record: PretrainRecord) -> str:
    names = "names as salted hashes" if record.salt else "names in clear"
    images = "with fingerprints of the images" if record.contents else "without fingerprints of the images"
    return f"{len(record.cases)}, {names}, {images}"


def _bases(record: PretrainRecord) -> str:
    if not record.bases:
        return "random weights"
    return "; ".join(
        f"{base.file} (SHA-256 {base.sha256[:16]}…, "
        + (f"{base.record.trainer} on {base.record.dataset})" if base.record else f"{base.kind}, cases not known)")
        for base in record.bases
    )


def _validation(record: PretrainRecord) -> str:
    if not record.metrics:
        return ""
    shown = {name: value for name, value in record.metrics.items() if name.startswith("map ")} or record.metrics
    figures = ", ".join(f"{name} {value:.3f}" for name, value in list(shown.items())[:5])
    return f"{figures} ({record.validation_cases} cases)"
