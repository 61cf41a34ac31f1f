"""What numbers may be: annotations of settings, plans and records, checked wherever a mapping becomes a dataclass.

Every bound is finite, so neither NaN nor infinity nor a number that only a slip of the finger makes passes.

Example:
    >>> str(Bounds(0, 1, without_low=True))
    'a number in (0, 1]'
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Bounds:
    """Annotation of a number: finite and within a range.

    Attributes:
        low: Least value.
        high: Largest value.
        without_low: Whether the least value itself is left out.
        without_high: Whether the largest value itself is left out.
        multiple_of: Number that divides the value; 1 where any value will do.
    """

    low: float
    high: float
    without_low: bool = False
    without_high: bool = False
    multiple_of: int = 1

    def __str__(self) -> str:
        noun = "a number" if self.multiple_of == 1 else f"a multiple of {self.multiple_of}"
        return f"{noun} in {self.interval}"

    @property
    def interval(self) -> str:
        """The range as mathematics writes it: ``(0, 1]``."""
        ends = "(" if self.without_low else "[", ")" if self.without_high else "]"
        return f"{ends[0]}{self.low:.15g}, {self.high:.15g}{ends[1]}"

    def __contains__(self, value: float) -> bool:
        inside = self.low <= value <= self.high
        ends = (self.without_low and value == self.low) or (self.without_high and value == self.high)
        return inside and not ends and value % self.multiple_of == 0 if self.multiple_of > 1 else inside and not ends

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        schema = handler(source)
        schema["gt" if self.without_low else "ge"] = self.low
        schema["lt" if self.without_high else "le"] = self.high
        if self.multiple_of > 1:
            schema["multiple_of"] = self.multiple_of
        if schema["type"] == "float":
            schema["allow_inf_nan"] = False
        return schema


class _Ascending:
    """Annotation of two numbers: the first is at most the second."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def checked(value: tuple[float, float]) -> tuple[float, float]:
            """The value itself.

            Raises:
                PydanticCustomError: The numbers are the wrong way round.
            """
            if value[0] > value[1]:
                raise PydanticCustomError("descending", "[LOW,HIGH] with LOW <= HIGH")
            return value

        return core_schema.no_info_after_validator_function(checked, handler(source))


ASCENDING = _Ascending()


def bounds_of(hint: Any) -> Bounds | None:
    """The bounds of a number, or of the numbers in a list; ``None`` where none are declared.

    Args:
        hint: Annotation of a field, with its extras.

    Example:
        >>> str(bounds_of(SizeRange))
        'a number in (0, 2000]'
    """
    kind, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    found = next((note for note in notes if isinstance(note, Bounds)), None)
    if found is None and typing.get_origin(kind) is tuple:
        return bounds_of(typing.get_args(kind)[0])
    return found


#: Shares and probabilities.
Share = Annotated[float, Bounds(0, 1)]
PositiveShare = Annotated[float, Bounds(0, 1, without_low=True)]
ShareBelowOne = Annotated[float, Bounds(0, 1, without_high=True)]
ShareRange = Annotated[tuple[PositiveShare, PositiveShare], ASCENDING]
#: Peak learning rates, and multiples of them.
Rate = Annotated[float, Bounds(0, 10, without_low=True)]
Factor = Annotated[float, Bounds(0, 100)]
Decay = Annotated[float, Bounds(0, 10)]
#: Weights of losses beside each other.
Weight = Annotated[float, Bounds(0, 1000)]
#: Sizes of filters, cells, patches, mm; a body is about 2000.
Size = Annotated[float, Bounds(0, 2000)]
PositiveSize = Annotated[float, Bounds(0, 2000, without_low=True)]
SizeRange = Annotated[tuple[PositiveSize, PositiveSize], ASCENDING]
#: Sizes of what a filter sees around each voxel, mm.
FilterSize = Annotated[float, Bounds(0, 200)]
Volume = Annotated[float, Bounds(0, 1e9)]
#: Intensities, z-score units.
Intensity = Annotated[float, Bounds(0, 100)]
PositiveIntensity = Annotated[float, Bounds(0, 100, without_low=True)]
IntensityRange = Annotated[tuple[PositiveIntensity, PositiveIntensity], ASCENDING]
#: Channels of a layer; 0 where a default is taken from elsewhere.
WIDTH = Bounds(1, 4096)
Width = Annotated[int, WIDTH]
WidthOrAuto = Annotated[int, Bounds(0, 4096)]
#: Edge of a voxel, mm; of a patch, voxels; patches per step.
VOXEL_SIZE, PATCH_SIZE, BATCH_SIZE = Bounds(1e-4, 1000), Bounds(1, 4096), Bounds(1, 4096)
VoxelSize = Annotated[float, VOXEL_SIZE]
PatchSize = Annotated[int, PATCH_SIZE]
BatchSize = Annotated[int, BATCH_SIZE]
#: What numpy and torch both take as a seed.
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
SeedOrDrawn = Annotated[int, Bounds(-1, 2**32 - 1)]
#: Numbers of what is counted: cases, epochs, seconds.
Count = Annotated[int, Bounds(0, 10**12)]
PositiveCount = Annotated[int, Bounds(1, 10**12)]
Seconds = Annotated[float, Bounds(0, 1e12)]
#: How long an encoder stays as it is: epochs, a share of the training below 1, −1 for good.
Epochs = Annotated[float, Bounds(-1, 1e6)]
#: Any number that is one: weights, thresholds.
ANY_FINITE = Bounds(-1e12, 1e12)
Finite = Annotated[float, ANY_FINITE]
