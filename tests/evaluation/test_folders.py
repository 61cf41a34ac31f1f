import csv
import json

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score

from nnunet_uad.evaluation.floors import Floor, shown_scores
from nnunet_uad.evaluation.folders import evaluate_folders
from nnunet_uad.evaluation.request import EvaluationRequest
from nnunet_uad.evaluation.summary_files import write_evaluation

SHAPE = (6, 24, 24)


def write(path, volume, spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0), direction=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction:
        image.SetDirection(direction)
    SimpleITK.WriteImage(image, str(path))


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def scan(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 4 : 8 + seed, 4:10] = 1
    return (np.abs(rng.standard_normal(SHAPE)) + 2 * labels).astype(np.float32), labels


@pytest.fixture
def folders(tmp_path):
    for seed in range(3):
        scores, labels = scan(seed)
        write(tmp_path / "maps" / f"c{seed}_map.nii.gz", scores)
        write(tmp_path / "labels" / f"c{seed}.nii.gz", labels)
        write(tmp_path / "images" / f"c{seed}_0000.nii.gz", np.where(scores > 0.1, scores * 100, 0))
    return tmp_path


def request(root, **changes):
    return EvaluationRequest(**{"maps": [root / "maps"], "labels": root / "labels", **changes})


def test_values_files_and_baseline(folders):
    summary = evaluate_folders(
        request(folders, images=folders / "images", baselines={"intensity:0": 0}, thresholds={"fixed": 1.5})
    )
    scores, labels = (np.concatenate([scan(k)[i].ravel() for k in range(3)]) for i in (0, 1))
    pooled = summary["scores"]["map"]["pooled"]
    assert pooled["AP"]["value"] == pytest.approx(average_precision_score(labels, scores), abs=1e-3)
    assert pooled["AP"]["interval_95"][0] <= pooled["AP"]["value"] + 0.01
    fixed = summary["scores"]["map"]["masks"]["fixed"]
    chosen = scores >= 1.5
    assert fixed["pooled"]["Dice"]["value"] == pytest.approx(
        2 * chosen[labels > 0].sum() / (chosen.sum() + labels.sum())
    )
    oracle = summary["scores"]["map"]["masks"]["oracle"]
    assert oracle["pooled"]["Dice"]["value"] == pytest.approx(pooled["best_dice_oracle"]["value"])
    assert "oracle" in oracle["threshold"]["origin"]
    assert set(summary["scores"]) == {"map", "intensity:0"} and not summary["failed"]
    table = write_evaluation(summary, folders / "out.json")
    assert json.loads((folders / "out.json").read_text()) == json.loads(json.dumps(summary))
    rows = list(csv.DictReader(table.open()))
    assert {"map", "intensity:0", "map - intensity:0"} == {r["score"] for r in rows}
    row = next(r for r in rows if (r["score"], r["case"], r["mask"], r["metric"]) == ("map", "pooled", "", "AP"))
    assert float(row["value"]) == pooled["AP"]["value"] and float(row["low_95"]) == pooled["AP"]["interval_95"][0]


def test_the_baseline_is_the_equalised_intensity(folders):
    summary = evaluate_folders(request(folders, images=folders / "images", baselines={"i": 0}))
    ranks = []
    for seed in range(3):
        scores = scan(seed)[0]
        image = np.where(scores > 0.1, scores * 100, 0)
        inside = image > 0
        ranks.append(np.where(inside, (image[..., None] >= np.sort(image[inside])).sum(-1) / inside.sum(), 0).ravel())
    labels = np.concatenate([scan(k)[1].ravel() for k in range(3)])
    expected = average_precision_score(labels, np.concatenate(ranks))
    assert summary["scores"]["i"]["pooled"]["AP"]["value"] == pytest.approx(expected, abs=1e-3)


def floor_values(seed, mm):
    """The floor of a case in plain SciPy, made positive by exp, which keeps the order; and the labels."""
    scores, labels = scan(seed)
    image = np.where(scores > 0.1, scores * 100, 0)
    inside = image > 0
    low, middle, high = np.percentile(image[inside], [25, 50, 75])
    z = np.where(inside, (image - middle) / (high - low), 0)
    if mm:
        sigma = (mm / 2, mm, mm)
        total, share = (gaussian_filter(v, sigma, mode="constant") for v in (z, inside.astype(float)))
        z = np.where(inside, total / np.where(inside, share, 1), 0)
    return np.where(inside, np.exp(z), 0).ravel(), labels.ravel()


def test_the_strongest_floor_stands_beside_the_map(folders):
    asked = request(folders, images=folders / "images", floors=[Floor(0, "FLAIR")], thresholds={"fixed": 1.5})
    summary = evaluate_folders(asked)
    names = {mm: f"robust_z:FLAIR@{mm}mm" if mm else "robust_z:FLAIR" for mm in range(4)}
    assert list(summary["scores"]) == ["map", *names.values()]
    expected = {}
    for mm, name in names.items():
        cases = [floor_values(seed, mm) for seed in range(3)]
        values, labels = (np.concatenate(part) for part in zip(*cases, strict=True))
        expected[name] = average_precision_score(labels, values)
        assert summary["scores"][name]["pooled"]["AP"]["value"] == pytest.approx(expected[name], abs=1e-3)
        for case, (own, truth) in zip(summary["metric_per_case"], cases, strict=True):
            assert case["metrics"][name]["AP"] == pytest.approx(average_precision_score(truth, own), abs=1e-3)
    best = max(expected, key=expected.get)
    assert summary["strongest_floor"]["score"] == best
    # Only the strongest is looked at closely: masks and intervals.
    for name in names.values():
        content = summary["scores"][name]
        assert bool(content["masks"]) == bool(content["pooled"]["AP"]["interval_95"]) == (name == best)
        assert content["mean_over_cases"]["AP"]["interval_95"]
    assert list(summary["scores"][best]["masks"]) == ["oracle"]
    difference = summary["strongest_floor"]["map_minus_floor"]["AP"]
    paired = [c["metrics"]["map"]["AP"] - c["metrics"][best]["AP"] for c in summary["metric_per_case"]]
    assert difference["value"] == pytest.approx(np.mean(paired)) and difference["cases"] == 3
    assert difference["interval_95"][0] <= difference["value"] <= difference["interval_95"][1]
    rows = list(csv.DictReader(write_evaluation(summary, folders / "out.json").open()))
    (row,) = [r for r in rows if r["score"] == f"map - {best}"]
    assert (row["case"], row["metric"]) == ("mean over cases", "AP") and float(row["value"]) == difference["value"]


def test_an_equalised_intensity_that_is_stronger_is_the_floor(folders):
    """Images in units of their own, so that only ranks can be compared between cases."""
    for seed in range(3):
        write(folders / "images" / f"c{seed}_0000.nii.gz", np.exp((1 + 2 * seed) * scan(seed)[0]))
    asked = {"images": folders / "images", "floors": [Floor(0, "F")], "baselines": {"intensity:F": 0}}
    summary = evaluate_folders(request(folders, **asked))
    precisions = {name: summary["scores"][name]["pooled"]["AP"]["value"] for name in summary["scores"] if name != "map"}
    assert summary["strongest_floor"]["score"] == max(precisions, key=precisions.get) == "intensity:F"
    assert set(shown_scores(summary)) == {"map", "intensity:F"}


def test_a_dark_lesion_has_a_dark_floor(folders):
    for seed in range(3):
        values = scan(seed)[0]
        write(folders / "images" / f"c{seed}_0000.nii.gz", 1000 - 100 * values)
    bright, dark = (
        evaluate_folders(request(folders, images=folders / "images", floors=[Floor(0, "T1", sign)])) for sign in (1, -1)
    )
    assert dark["strongest_floor"]["score"].startswith("robust_z:-T1")
    precision = [s["scores"][s["strongest_floor"]["score"]]["pooled"]["AP"]["value"] for s in (bright, dark)]
    assert precision[1] > 0.7 > 0.2 > precision[0]


def test_without_lesions_no_floor_is_the_strongest(folders):
    for seed in range(3):
        write(folders / "labels" / f"c{seed}.nii.gz", np.zeros(SHAPE, np.uint8))
    asked = request(folders, images=folders / "images", floors=[Floor(0, "FLAIR")], healthy_cases=True)
    summary = evaluate_folders(asked)
    assert summary["strongest_floor"] is None and not summary["failed"]
    write_evaluation(summary, folders / "out.json")


def test_a_case_without_the_floors_image_is_left_out(folders):
    (folders / "images" / "c1_0000.nii.gz").unlink()
    summary = evaluate_folders(request(folders, images=folders / "images", floors=[Floor(0, "FLAIR")]))
    assert summary["failed"] == {"c1": "there is no image of channel 0 of this case"}


def test_outside_the_mask_counts_as_zero_and_is_not_removed(folders):
    for seed in range(3):
        mask = np.zeros(SHAPE, np.uint8)
        mask[:, :16] = 1
        write(folders / "masks" / f"c{seed}.nii.gz", mask)
    summary = evaluate_folders(request(folders, masks=folders / "masks"))
    scores = np.concatenate([np.where(np.arange(24)[None, :, None] < 16, scan(k)[0], 0).ravel() for k in range(3)])
    labels = np.concatenate([scan(k)[1].ravel() for k in range(3)])
    expected = average_precision_score(labels, scores)
    assert summary["scores"]["map"]["pooled"]["AP"]["value"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: (r / "maps" / "c1_map.nii.gz").unlink(), "there is no map of this case"),
        (lambda r: (r / "labels" / "c1.nii.gz").unlink(), "there is no label of this case"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", np.zeros(SHAPE, np.float32)), "0 everywhere"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", np.full(SHAPE, np.nan, np.float32)), "NaN"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", scan(1)[0][:, :20]), r"shape \(24, 20, 6\).*--resample"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", scan(1)[0], (1, 1, 3)), "spacing .*--resample"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", scan(1)[0], origin=(5, 0, 0)), "origin"),
        (
            lambda r: write(r / "maps" / "c1_map.nii.gz", scan(1)[0], direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1)),
            "orientation",
        ),
        (lambda r: write(r / "labels" / "c1.nii.gz", np.zeros(SHAPE, np.uint8)), "no lesion voxel.*--healthy-cases"),
        (lambda r: write(r / "labels" / "c1.nii.gz", scan(1)[1] * 3), "--labels 3"),
        (lambda r: (r / "maps" / "c1_map.nii.gz").write_bytes(b"no image"), "cannot be read"),
        (lambda r: cut(r / "maps" / "c1_map.nii.gz"), r"c1_map.nii.gz .*cut short"),
        (lambda r: cut(r / "labels" / "c1.nii.gz"), r"c1.nii.gz .*cut short"),
        (lambda r: write(r / "labels" / "c1.nii.gz", scan(1)[1] * np.float32(0.5)), "0.5, which is no label"),
        (lambda r: write(r / "maps" / "c1_map.nii.gz", scan(1)[0], origin=(0.5, 0, 0)), "origin"),
    ],
)
def test_a_bad_case_is_named_and_the_others_are_evaluated(folders, spoil, message):
    spoil(folders)
    summary = evaluate_folders(request(folders))
    assert [c["identifier"] for c in summary["metric_per_case"]] == ["c0", "c2"]
    assert list(summary["failed"]) == ["c1"]
    import re

    assert re.search(message, summary["failed"]["c1"])


def test_labels_that_are_whole_numbers_up_to_rounding_count(folders):
    expected = evaluate_folders(request(folders))
    write(folders / "labels" / "c1.nii.gz", scan(1)[1] * np.float32(0.999999))
    assert evaluate_folders(request(folders))["scores"] == expected["scores"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_threshold_that_is_no_number_is_refused_before_work(folders, value):
    with pytest.raises(ValueError, match="finite number, found fixed="):
        evaluate_folders(request(folders, thresholds={"fixed": value}))


def test_nothing_left_is_an_error_with_the_reasons(folders):
    for seed in range(3):
        write(folders / "labels" / f"c{seed}.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(ValueError, match="No case could be evaluated"):
        evaluate_folders(request(folders))


def test_folders_that_are_missing_or_empty(tmp_path, folders):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        evaluate_folders(request(folders, labels=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        evaluate_folders(request(folders, maps=[tmp_path / "empty"]))
    with pytest.raises(ValueError, match="more than one of the folders"):
        evaluate_folders(request(folders, maps=[folders / "maps", folders / "maps"]))


def test_resampling_when_asked(folders):
    write(folders / "maps" / "c1_map.nii.gz", scan(1)[0][:, ::2, ::2].copy(), (2, 2, 2))
    assert not evaluate_folders(request(folders, resample=True))["failed"]


def test_chosen_labels_healthy_cases_and_ignored_voxels(folders):
    labels = scan(1)[1] * 2
    labels[0] = 7
    write(folders / "labels" / "c1.nii.gz", labels)
    write(folders / "labels" / "c2.nii.gz", np.zeros(SHAPE, np.uint8))
    summary = evaluate_folders(request(folders, lesion_labels=(1, 2), ignore_label=7, healthy_cases=True))
    assert not summary["failed"]
    voxels = {c["identifier"]: c["metrics"]["map"] for c in summary["metric_per_case"]}
    assert voxels["c1"]["lesion_voxels"] == (labels == 2).sum()
    assert voxels["c1"]["prevalence"] == pytest.approx((labels == 2).sum() / (labels != 7).sum())
    assert voxels["c2"]["AP"] is None


@pytest.mark.parametrize("known", ["masks", "images", "scores"])
def test_lesions_have_a_volume_and_rates_are_shares_of_the_healthy_foreground_that_counts(folders, known):
    inside, values = [], []
    for k in range(3):
        scores, labels = scan(k)
        # Half of the first slices is not annotated.
        labels[0, :12] = 2
        half = np.broadcast_to(np.arange(24)[:, None] < 12, SHAPE).astype(np.uint8)
        write(folders / "labels" / f"c{k}.nii.gz", labels)
        write(folders / "masks" / f"c{k}.nii.gz", half)
        foreground = {"masks": half > 0, "images": scores > 0.1, "scores": scores > 0}[known]
        inside.append(foreground & (labels == 0))
        values.append((scores * half if known == "masks" else scores)[labels == 0])
    given = {
        "masks": {"masks": folders / "masks"},
        "images": {"images": folders / "images", "floors": [Floor(0, "FLAIR")]},
        "scores": {},
    }[known]
    summary = evaluate_folders(request(folders, ignore_label=2, **given))
    pooled, allowed = summary["scores"]["map"]["pooled"], 0.01 * np.sum(inside)
    selected = (np.concatenate(values) >= pooled["threshold@fpr:0.01"]["value"]).sum()
    assert summary["foreground"] == known and allowed - 2 < selected <= allowed
    # A voxel is 2 mm³: lesions of 96, 120 and 144 mm³.
    assert [pooled[f"lesions_{size}"]["value"] for size in ("small", "medium", "large")] == [1, 2, 0]
    small = "lesion_recall_small@fpr:0.01"
    assert [case["metrics"]["map"][small] is None for case in summary["metric_per_case"]] == [False, True, True]


def test_stored_thresholds_are_used_and_their_own_cases_are_flagged(folders):
    stored = {"thresholds": {"fpr:0.05": {"value": 2.0, "cases": ["c1"]}}}
    (folders / "maps" / "anomaly_maps.json").write_text(json.dumps(stored))
    summary = evaluate_folders(request(folders))
    mask = summary["scores"]["map"]["masks"]["fpr:0.05"]
    assert mask["threshold"]["value"] == [2.0] and mask["threshold"]["chosen_on"] == ["c1"]
    assert len(summary["warnings"]) == 1 and "chosen on c1 itself" in summary["warnings"][0]
