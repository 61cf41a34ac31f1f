"""What editors check and complete a file by, https://json-schema.org, made of the dataclass that the file becomes."""

from __future__ import annotations

import inspect
from typing import Any

from nnunet_uad.common.schema import type_adapter
from nnunet_uad.common.settings_docs import meanings


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of a file.

    Args:
        cls: Dataclass that the file becomes; the texts of its ``Attributes:`` are what editors show at a key.
    """
    from pydantic.json_schema import GenerateJsonSchema

    class AsWritten(GenerateJsonSchema):
        """What a :class:`~nnunet_uad.common.schema.Before` lets pass beside the type itself; no unknown key."""

        def json_schema(self, schema: Any) -> dict[str, Any]:
            """Text that may be a number, a list that may be its only value, a mapping that may be one word."""
            inner = self.generate_inner(schema["schema"])
            if stated := schema.get("metadata", {}).get("also"):
                return {"anyOf": [inner, {"type": list(stated)}]}
            if inner.get("type") == "string":
                return {**inner, "type": ["string", "integer"]}
            also = inner["items"] if inner.get("type") == "array" else {"type": ["string", "null"]}
            return {"anyOf": [inner, also]}

        def dataclass_schema(self, schema: Any) -> dict[str, Any]:
            """Keys with what they mean."""
            made = super().dataclass_schema(schema)
            for name, text in meanings(schema["cls"]).items():
                if name in made["properties"]:
                    made["properties"][name]["description"] = text
            introduction = inspect.cleandoc(schema["cls"].__doc__ or "").splitlines()[0].replace("``", "`")
            return {**made, "description": introduction, "additionalProperties": False}

    generated = type_adapter(cls).json_schema(schema_generator=AsWritten)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **generated}
