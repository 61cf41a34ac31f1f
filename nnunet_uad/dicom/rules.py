"""Which series is which channel: rules on the description or number of a series, as users type them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nnunet_uad.dicom.series import Series, Study

_FORM = "CHANNEL=PATTERN or CHANNEL!=PATTERN, as FLAIR=*flair* or FLAIR!=*post*"


@dataclass(frozen=True)
class Rule:
    """What a series must be called to be a channel.

    Attributes:
        channel: Name of the channel.
        wanted: Patterns of which the series matches one: of its SeriesDescription, or ``#5`` for its SeriesNumber.
        unwanted: Patterns of which it matches none.
    """

    channel: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()

    def fits(self, series: Series) -> bool:
        """Whether a series is called so.

        Args:
            series: Series of a study.

        Example:
            >>> rule_of(["T2=*t2*", "T2!=*flair*"], ["T2"])
            [Rule(channel='T2', wanted=('*t2*',), unwanted=('*flair*',))]
        """
        return any(_matches(series, p) for p in self.wanted) and not any(_matches(series, p) for p in self.unwanted)

    @property
    def words(self) -> str:
        """The rule as it was typed."""
        return " ".join(
            [*(f"{self.channel}={p}" for p in self.wanted), *(f"{self.channel}!={p}" for p in self.unwanted)]
        )


def rule_of(texts: Sequence[str], channels: Sequence[str]) -> list[Rule]:
    """The rules of all channels, in the order of the channels.

    Args:
        texts: Rules as they were typed, several per channel if wanted.
        channels: Names of the channels.

    Raises:
        ValueError: A rule is none, is of no channel, or a channel has none.
    """
    names = {channel.casefold(): channel for channel in channels}
    wanted: dict[str, list[str]] = {channel: [] for channel in channels}
    unwanted: dict[str, list[str]] = {channel: [] for channel in channels}
    for text in texts:
        match = re.fullmatch(r"([^=]+?)(!?)=(.+)", text)
        if not match:
            raise ValueError(f"--series expects {_FORM}, found {text!r}.")
        if match[1].casefold() not in names:
            raise ValueError(f"--series names the channel {match[1]!r}; the channels are {', '.join(channels)}.")
        (unwanted if match[2] else wanted)[names[match[1].casefold()]].append(match[3])
    if without := [channel for channel in channels if not wanted[channel]]:
        raise ValueError(
            f"Nothing says which series {' and '.join(without)} is. Say it: --series {without[0]}=PATTERN, matched on "
            "the description of a series; nnunet_uad dicom import -i FOLDER --list shows them."
        )
    return [Rule(channel, tuple(wanted[channel]), tuple(unwanted[channel])) for channel in channels]


def chosen_series(study: Study, rules: Sequence[Rule]) -> tuple[list[Series], list[str]]:
    """The series of every channel, and what was passed over though it is called so.

    Args:
        study: Study of a patient.
        rules: Rules of the channels.

    Returns:
        Series in the order of the rules; words for series that a rule names but that are no volume.

    Raises:
        ValueError: The study is unfit, a channel has no series or several, or two channels have the same.
    """
    if study.problem:
        raise ValueError(f"{study.problem}.")
    chosen: list[Series] = []
    passed: list[str] = []
    for rule in rules:
        called = [series for series in study.series if rule.fits(series)]
        fit = [series for series in called if not series.problem]
        if len(fit) != 1:
            found = "no series" if not called else f"{len(called)} series, {len(fit)} of them a volume"
            raise ValueError(f"expected one series for {rule.words}, found {found}. The study has:\n{study.listing}")
        chosen += fit
        passed += [f"{series.words} was passed over for {rule.channel}" for series in called if series.problem]
    if len({series.uid for series in chosen}) < len(chosen):
        raise ValueError(
            f"one series is meant by two channels ({'; '.join(rule.words for rule in rules)}). The study has:\n"
            f"{study.listing}"
        )
    return chosen, passed


def _matches(series: Series, pattern: str) -> bool:
    if re.fullmatch(r"#\d+", pattern):
        return series.headers[0].number == int(pattern[1:])
    return fnmatchcase(series.description.casefold(), pattern.casefold())
