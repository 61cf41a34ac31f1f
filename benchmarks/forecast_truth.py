"""Do forecasts of the label-efficiency curve hold the truth? Synthetic studies whose curve is known.

    python benchmarks/forecast_truth.py             # coverage
    python benchmarks/forecast_truth.py --factors   # of targets nearer and farther
    python benchmarks/forecast_truth.py --alone     # of power laws alone

Scores are a curve plus effects of trainings, of cases and a rest, as large and as alike from budget to budget as in the
rows of the studies of hippocampus and glioma (benchmarks/studies/hippocampus.csv, lgg.csv). Curves are power laws, and
logistic in the logarithm of the labels, which the forecast takes for power laws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from statistics_truth import matrix

from nnunet_uad.statistics.forecast import FARTHEST, SHIFTS, Forecast, forecast
from nnunet_uad.statistics.matrix import ScoreMatrix

Curve = Callable[[float], float]


@dataclass(frozen=True)
class Noise:
    """Standard deviations of what surrounds a curve.

    Attributes:
        luck: Deviation of trainings with one labelled case.
        fall: Power of the labelled cases by which luck falls.
        case: Deviation of cases.
        alike: Correlation of the effects of cases between budgets.
        rest: Deviation of single scores.
    """

    luck: float
    fall: float
    case: float
    alike: float
    rest: float


#: As measured in the rows; the luck of nested draws has a correlation of 0.6 to 0.8 between budgets there.
NOISES = {"hippocampus": Noise(0.09, 0.8, 0.03, 0.6, 0.045), "glioma": Noise(0.08, 0.3, 0.19, 0.9, 0.14)}
LUCK_ALIKE = 0.7
#: Curves that are drawn per study: fewer than the report's, for the time it takes.
DRAWS = 400


def power_law(asymptote: float, drop: float, exponent: float) -> Curve:
    """The form that is fitted."""
    return lambda n: asymptote - drop * n**-exponent


def logistic(low: float, high: float, middle: float, slope: float) -> Curve:
    """Logistic in the logarithm of the labels: it begins flat, rises around ``middle`` and ends flat."""
    return lambda n: low + (high - low) / (1 + (n / middle) ** -slope)


FORMS: dict[str, tuple[Curve, ...]] = {
    "power law": (power_law(0.9, 0.45, 0.5), power_law(0.82, 0.31, 0.5), power_law(0.8, 0.25, 1.0),
                  power_law(0.9, 0.4, 0.25)),
    "logistic": (logistic(0.4, 0.85, 3.0, 1.0), logistic(0.4, 0.8, 2.0, 1.5), logistic(0.45, 0.9, 8.0, 1.0)),
}  # fmt: skip
#: Budgets, trainings, test cases.
SHAPES = (
    ((1, 3, 10), 3, 35),
    ((1, 3, 10), 5, 35),
    ((1, 2, 5, 10), 5, 35),
    ((1, 2, 5, 10, 20), 5, 35),
    ((1, 2, 5, 10, 20), 10, 100),
)


@dataclass
class Tally:
    """What became of the studies of a line.

    Attributes:
        gains: Whether the interval of the gain held the truth, of each study that was given one.
        widths: Width of each of these.
        needs: The same of the labels needed, of each study that was given them.
        needs_all: The same, of each study whose curve was fitted, told or not.
        studies: Number of studies.
    """

    gains: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    needs: list[bool] = field(default_factory=list)
    needs_all: list[bool] = field(default_factory=list)
    studies: int = 0

    def add(self, made: Forecast, curve: Curve, wanted: float) -> None:
        """Compare a forecast with the truth.

        Args:
            made: Forecast of a study.
            curve: Curve that the study was drawn from.
            wanted: Labels that the target needs.
        """
        self.studies += 1
        if made.gain is None or made.needed is None:
            return
        true_gain = curve(made.largest + made.more) - curve(made.largest)
        held = made.needed.low <= wanted <= made.needed.high
        self.needs_all.append(held)
        if made.gain.withheld is None:
            self.gains.append(made.gain.low <= true_gain <= made.gain.high)
            self.widths.append(made.gain.high - made.gain.low)
        if made.needed.withheld is None:
            self.needs.append(held)

    def cells(self) -> list[str]:
        """The line's shares as text, a dash for one of nothing."""

        def share(values: Sequence[bool], of: int) -> str:
            return f"{sum(values) / of:.1%}" if of else "–"

        gains, needs = self.gains, self.needs
        told = [share([True] * len(values), self.studies) for values in (gains, needs)]
        width = f"{np.median(self.widths):.3f}" if self.widths else "–"
        needed = [share(self.needs_all, len(self.needs_all)), told[1], share(needs, len(needs))]
        wrong = share([not held for held in needs], self.studies)
        return [told[0], share(gains, len(gains)), width, *needed, wrong]


def study(
    rng: np.random.Generator, curve: Curve, budgets: Sequence[int], trainings: int, cases: int, noise: Noise
) -> list[ScoreMatrix]:
    """Scores at every budget; few cases are much worse than the others, as with Dice."""

    def skewed() -> np.ndarray:
        """Effects of cases, of standard deviation 1."""
        return 2.0 * (1 - rng.gamma(4.0, 1.0, cases) / 4.0)

    own_luck, own_case = rng.standard_normal(trainings), skewed()
    scores: list[ScoreMatrix] = []
    for n in budgets:
        luck = np.sqrt(LUCK_ALIKE) * own_luck + np.sqrt(1 - LUCK_ALIKE) * rng.standard_normal(trainings)
        case = np.sqrt(noise.alike) * own_case + np.sqrt(1 - noise.alike) * skewed()
        rest = noise.rest * rng.standard_normal((trainings, cases))
        scores.append(matrix(curve(n) + noise.luck * n**-noise.fall * luck[:, None] + noise.case * case + rest))
    return scores


def line(
    studies: int, form: str, shape: tuple, noise: Noise, factor: float, shifts: Mapping[float, float] = SHIFTS
) -> Tally:
    """Forecast many studies; the target is what ``factor`` times the largest budget reaches."""
    rng = np.random.default_rng(0)
    budgets, trainings, cases = shape
    tally = Tally()
    for k in range(studies):
        curve = FORMS[form][k % len(FORMS[form])]
        wanted = factor * budgets[-1]
        made = forecast(budgets, study(rng, curve, budgets, trainings, cases, noise), curve(wanted), DRAWS, shifts)
        tally.add(made, curve, wanted)
    return tally


def coverage(studies: int, factors: bool, alone: bool) -> None:
    """Simulate studies of every form, noise and shape, and print a line for each.

    Args:
        studies: Number of studies of each.
        factors: Whether the target is varied, rather than what twice the largest budget reaches.
        alone: Whether all drawn curves are power laws.
    """
    columns = ("form", "noise", "budgets", "trainings", "cases", "target at", "gain given", "gain held", "width",
               "needed held, all", "needed given", "needed held, given", "given and wrong")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for form in FORMS:
        for name, noise in NOISES.items():
            for shape in SHAPES[3:] if factors else SHAPES:
                for factor in (1.25, 1.5, 3.0, FARTHEST) if factors else (2.0,):
                    t = line(studies, form, shape, noise, factor, {0.0: 1.0} if alone else SHIFTS)
                    cells = [form, name, ", ".join(map(str, shape[0])), *shape[1:], f"× {factor:g}"]
                    print(f"| {' | '.join(map(str, [*cells, *t.cells()]))} |", flush=True)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--factors", action="store_true", help="vary how far beyond the largest budget the target lies")
    parser.add_argument("--alone", action="store_true", help="draw power laws only, none that begins later")
    arguments = parser.parse_args()
    coverage(arguments.studies, arguments.factors, arguments.alone)


if __name__ == "__main__":
    main()
