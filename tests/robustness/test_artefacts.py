from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nnunet_uad.robustness.artefacts import ARTEFACTS, SEVERITIES, check_artefacts, corrupt, severity_table


@pytest.fixture(scope="module")
def volume():
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 24, 28)), indexing="ij")
    inside = z**2 + y**2 + x**2 < 0.8
    return np.where(inside, 500 + 200 * np.sin(5 * x) + 150 * np.cos(7 * y) + 60 * z, 0).astype(np.float32)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_every_artefact_repeats_grows_with_severity_and_spares_the_background(artefact, volume):
    spacing = (2.0, 1.0, 1.5)
    change = []
    for severity in SEVERITIES:
        first, other = corrupt([volume, 2 * volume], spacing, artefact, severity, "a", seed=3)
        again, _ = corrupt([volume, 2 * volume], spacing, artefact, severity, "a", seed=3)
        assert np.array_equal(first, again) and first.dtype == np.float32 and first.shape == volume.shape
        assert np.isfinite(first).all() and np.isfinite(other).all()
        assert not first[volume == 0].any() and not other[volume == 0].any()
        change.append(float(np.abs(first - volume).mean()))
    # Strong motion saturates: what has left its place cannot differ more.
    assert change[0] > 0 and change[-1] > 1.5 * change[0], change
    assert all(b > 0.9 * a for a, b in pairwise(change)), change


def test_seed_and_case_change_what_is_drawn(volume):
    def drawn(case, seed):
        return corrupt([volume], (1.0, 1.0, 1.0), "noise", 3, case, seed)[0]

    assert not np.array_equal(drawn("a", 0), drawn("b", 0))
    assert not np.array_equal(drawn("a", 0), drawn("a", 1))


def test_noise_has_the_stated_strength(volume):
    inside = volume != 0
    noisy = corrupt([volume], (1.0, 1.0, 1.0), "noise", 3, "a", 0)[0]
    assert np.std((noisy - volume)[inside]) == pytest.approx(0.4 * volume[inside].std(), rel=0.05)


def test_an_image_without_background_is_changed_everywhere():
    image = np.random.default_rng(0).uniform(100, 200, (12, 12, 12)).astype(np.float32)
    assert (corrupt([image], (1.0, 1.0, 1.0), "noise", 1, "a", 0)[0] != image).all()


@pytest.mark.parametrize(
    ("names", "severities", "message"),
    [
        (["nois"], [1], "There is no artefact 'nois'. Did you mean noise"),
        (["blur"], [1, 6], "Severities are 1, 2, 3, 4, 5; found 6"),
    ],
)
def test_what_does_not_exist_is_refused(names, severities, message):
    with pytest.raises(ValueError, match=message):
        check_artefacts(names, severities)


def test_the_page_shows_the_table():
    page, table = Path(__file__).parents[2] / "docs" / "robustness.md", severity_table()
    shown = f"\n\n{table}\n\n" in page.read_text(encoding="utf-8")
    assert shown, f"paste this table into docs/robustness.md, in place of the one there:\n{table}"


def test_artefacts_grow_and_are_called_by_their_own_names():
    for name, artefact in ARTEFACTS.items():
        assert artefact.name == name and len(artefact.levels) == len(SEVERITIES)
        assert list(artefact.levels) == sorted(set(artefact.levels))
