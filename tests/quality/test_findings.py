from dataclasses import replace

import numpy as np
import pytest
import scans
from scipy import ndimage

from nnunet_uad.quality.findings import Finding, judge, worst
from nnunet_uad.quality.names import VERDICTS


def found(scan, reference, calibration):
    """The worst finding of every check."""
    findings = judge(scans.profile(scan), reference, calibration)
    return {f.check: f for f in sorted(findings, key=lambda f: VERDICTS.index(f.verdict))}


def blurred(scan):
    image = np.stack([ndimage.gaussian_filter(c, (0, 1.5, 1.5)) for c in scan.image])
    return replace(scan, image=image * scan.foreground())


def noisy(scan):
    noise = np.random.default_rng(5).standard_normal(scan.image.shape, np.float32) * 40
    return replace(scan, image=np.where(scan.foreground(), np.clip(scan.image + noise, 1, None), 0))


def drifting(scan):
    gain = np.exp(np.linspace(-0.5, 0.5, scan.image.shape[-1]))
    return replace(scan, image=(scan.image * gain).astype(np.float32))


FAULTS = {
    "swapped": (lambda s: replace(s, image=s.image[::-1].copy()), "channels", "FLAIR looks like T1"),
    "missing": (
        lambda s: replace(s, image=s.image * np.array([1, 0])[:, None, None, None]),
        "channels",
        "T1 holds one",
    ),
    "upside down": (lambda s: replace(s, image=s.image[:, ::-1].copy()), "orientation", "axis z is reversed"),
    "other axes": (lambda s: replace(s, axes="RAS"), "orientation", "axes point to RAS by the header"),
    "header of twice the size": (lambda s: replace(s, spacing=(6.0, 2.0, 2.0)), "geometry", "voxel size"),
    "noisy": (noisy, "noise", "noisier than"),
    "blurred": (blurred, "noise", "It is blurred"),
    "drifting": (drifting, "bias field", "Brightness drifts"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_check(reference, calibration, fault):
    make, check, words = FAULTS[fault]
    finding = found(make(scans.scan(100)), reference, calibration)[check]
    assert finding.verdict == "unfit" and words in finding.sentence


def test_fit_scans_pass_with_numbers_and_ranges(reference, calibration):
    verdicts = []
    for seed in range(200, 220):
        findings = found(scans.scan(seed), reference, calibration)
        verdicts.append(worst(findings.values()))
        assert {"channels", "geometry", "orientation", "anatomy", "skull", "intensity", "noise"} <= set(findings)
        for finding in findings.values():
            inside = (finding.low is None or finding.value >= finding.low) and (
                finding.high is None or finding.value <= finding.high
            )
            assert inside == (finding.verdict != "unfit") and (finding.score > 1) == (finding.verdict == "unfit")
            assert bool(finding.sentence) == (finding.verdict != "ok")
    assert verdicts.count("unfit") <= 4


def test_ranges_in_words():
    assert Finding("noise", "ok", low=1.0, high=2.5, unit="mm").range == "1 to 2.5 mm"
    assert Finding("noise", "ok", high=2.5).range == "up to 2.5"
    assert Finding("noise", "ok", low=0.25).range == "0.25 or more"
    assert Finding("file", "unfit").range == ""


def test_the_worst_counts():
    assert worst([Finding("a", "ok"), Finding("b", "unfit"), Finding("c", "unusual")]) == "unfit"
    assert worst([]) == "ok"
