"""What is known of weights, and what is not: the rows that ``weights show`` prints and the model card holds."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_uad.weights.known import by
from nnunet_uad.weights.printable import printable
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights


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
    """
    record = source.record
    scalars = sum(tensor.numel() for tensor in source.tensors.values())
    rows = [
        Row("file", f"{source.path.name}, {source.kind}, {scalars / 1e6:.2f} million numbers"),
        Row("method", record.method if record else ""),
        Row("trainer", source.trainer),
        Row("dataset", f"{source.dataset}, fold {source.fold}" if source.dataset else ""),
        Row("channels", ", ".join(source.channel_names)),
        Row("plan", _plan(source)),
        Row("network", _network(record)),
        Row("normalisation", ", ".join(dict.fromkeys(source.normalization))),
        Row("length", _length(source)),
        Row("training cases", _cases(record)),
        Row("went on from", _bases(record)),
        Row("validation", _validation(record)),
        Row("licence", record.licence if record else ""),
        Row("data", record.data_statement if record else ""),
        Row("citation", record.citation if record else ""),
        Row("versions", ", ".join(f"{k} {v}" for k, v in sorted(record.versions.items())) if record else ""),
    ]
    return [Row(row.topic, printable(row.words)) for row in rows]


def unknown(rows: list[Row]) -> list[str]:
    """Topics of which nothing is known.

    Args:
        rows: Rows of :func:`passport`.
    """
    return [row.topic for row in rows if not row.words]


def _plan(source: SourceWeights) -> str:
    if not source.configuration:
        return ""
    parts = [f"{source.plans or 'plans'} {source.configuration}"]
    if source.record:
        parts.append(f"patches of {by(source.record.patch_size)} voxels")
    if source.spacing:
        parts.append(f"{by(source.spacing)} mm")
    return ", ".join(parts)


def _network(record: PretrainRecord | None) -> str:
    if record is None:
        return ""
    name, arguments = record.architecture.rsplit(".", 1)[-1], record.architecture_kwargs
    features = arguments.get("features_per_stage")
    return f"{name}, features {by(features)}" if isinstance(features, (list, tuple)) else name


def _length(source: SourceWeights) -> str:
    record = source.record
    if record is None:
        return "" if source.epoch is None else f"{source.epoch} epochs"
    steps = record.epochs_trained * record.iterations_per_epoch
    done = f"{record.epochs_trained} epochs of {record.iterations_per_epoch} steps, {steps} steps"
    unfinished = record.epochs_trained < record.num_epochs
    return f"{done}; unfinished, {record.num_epochs} epochs were planned" if unfinished else done


def _cases(record: PretrainRecord | None) -> str:
    if record is None:
        return ""
    names = "names as salted hashes" if record.salt else "names in clear"
    images = "with fingerprints of the images" if record.contents else "without fingerprints of the images"
    return f"{len(record.cases)}, {names}, {images}"


def _bases(record: PretrainRecord | None) -> str:
    if record is None:
        return ""
    if not record.bases:
        return "random weights"
    return "; ".join(
        f"{base.file} (SHA-256 {base.sha256[:16]}…, "
        + (f"{base.record.trainer} on {base.record.dataset})" if base.record else f"{base.kind}, cases not known)")
        for base in record.bases
    )


def _validation(record: PretrainRecord | None) -> str:
    if record is None or not record.metrics:
        return ""
    shown = {name: value for name, value in record.metrics.items() if name.startswith("map ")} or record.metrics
    figures = ", ".join(f"{name} {value:.3f}" for name, value in list(shown.items())[:5])
    return f"{figures} ({record.validation_cases} cases)"
