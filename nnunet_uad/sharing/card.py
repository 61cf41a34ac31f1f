"""The model card: Markdown with the front matter of the Hugging Face Hub, https://huggingface.co/docs/hub/model-cards."""

from __future__ import annotations

import re
from pathlib import Path

from nnunet_uad.sharing.licences import licence_fields
from nnunet_uad.sharing.markdown import plain_markdown
from nnunet_uad.sharing.usage import commands
from nnunet_uad.weights.passport import passport, unknown
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights

_TEMPLATES = Path(__file__).parent / "templates"
_HASHED = (
    "The names of the {count} training cases are in the file as hashes with a random salt that lies beside them: they "
    "cannot be read, but who has a list of possible names can try them. Fingerprints of the images let whoever has the "
    "very same scan see that it was trained on."
)
_CLEAR = "The names of the {count} training cases stand in the file in clear, as its makers wanted it."


def model_card(source: SourceWeights, record: PretrainRecord) -> str:
    """The card of weights.

    Args:
        source: Weights with their record.
        record: Record of the weights.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        # Whatever a template prints: nothing can be forgotten.
        finalize=plain_markdown,
    )
    rows = passport(source)
    cases = _CLEAR if record.names_in_clear else _HASHED
    return environment.get_template("card.md").render(
        front=_front_matter(record),
        title=f"{record.trainer} on {record.dataset}",
        rows=rows,
        missing=unknown(rows),
        cases=cases.format(count=len(record.cases)),
        usage=commands(source.path.name, record),
        statement=record.data_statement,
        **{
            name: getattr(record, name)
            for name in ("method", "dataset", "fold", "bases", "metrics", "validation_cases", "licence", "citation")
        },
    )


def _front_matter(record: PretrainRecord) -> str:
    import yaml

    tags = ["nnunet", "medical-imaging", "pretraining", "anomaly-detection", record.method.lower()]
    content = {
        **licence_fields(record.licence),
        "library_name": "nnunet_uad",
        "pipeline_tag": "image-segmentation",
        "tags": [re.sub(r"[^a-z0-9-]", "-", tag) for tag in tags],
    }
    return yaml.safe_dump(content, sort_keys=False)
