import dataclasses
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
import tiny
import torch
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunet_uad.data.cohort import UNLABELLED_FILE
from nnunet_uad.inference.model import load_restorer
from nnunet_uad.pretrain import validation
from nnunet_uad.pretrain.validation import ValidationRun, write_no_report, write_validation_report


def test_validation_writes_maps_in_the_original_geometry(dae_fold):
    summary = json.loads((dae_fold / "validation" / "summary.json").read_text())
    assert [c["identifier"] for c in summary["metric_per_case"]] == tiny.LESION[2:]
    assert {"MAE_healthy", "MAE_lesion", "MSE_foreground"} <= set(summary["mean"])
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr"
    for case in tiny.LESION[2:]:
        image = SimpleITK.ReadImage(str(raw / f"{case}_0000.nii.gz"))
        score = SimpleITK.ReadImage(str(dae_fold / "validation" / f"{case}_map.nii.gz"))
        assert score.GetSize() == image.GetSize() and score.GetOrigin() == image.GetOrigin()
        values = SimpleITK.GetArrayFromImage(score)
        outside = SimpleITK.GetArrayFromImage(image) == 0
        assert values.max() > 0.1 and values[outside].mean() < 0.1 * values[~outside].mean()
        assert (dae_fold / "validation" / f"{case}_montage.png").stat().st_size > 10_000


def test_validation_measures_the_maps_beside_the_strongest_floor_and_chooses_thresholds(dae_fold):
    summary = json.loads((dae_fold / "validation" / "summary.json").read_text())
    metrics = json.loads((dae_fold / "validation" / "anomaly_metrics.json").read_text())
    scales = ["robust_z:FLAIR", *(f"robust_z:FLAIR@{mm}mm" for mm in (1, 2, 3))]
    assert list(metrics["scores"]) == ["map", *scales] and not metrics["failed"]
    assert summary["anomaly"]["map AP"] == metrics["scores"]["map"]["pooled"]["AP"]["value"]
    assert 0 < summary["anomaly"]["map AP"] <= 1
    # The lesions of the tiny dataset are the brightest of the image.
    best = metrics["strongest_floor"]["score"]
    assert summary["anomaly"][f"{best} AP"] > 0.9
    assert {name.rsplit(" ", 1)[0] for name in summary["anomaly"]} == {"map", best, "small-lesions: map"}
    stored = json.loads((dae_fold / "anomaly_thresholds.json").read_text())
    assert set(stored["thresholds"]) == {"fpr:0.05", "fpr:0.01", "fpr:0.001", "best"}
    assert stored["thresholds"]["best"]["cases"] == tiny.LESION[2:]
    assert stored["score"]["residual"] == "auto"
    (small,) = stored["further"]
    assert set(small["thresholds"]) == set(stored["thresholds"])
    assert small["score"] == {**stored["score"], "score": "small-lesions"}
    beside = json.loads((dae_fold / "validation" / "small-lesions" / "anomaly_metrics.json").read_text())
    assert summary["anomaly"]["small-lesions: map AP"] == beside["scores"]["map"]["pooled"]["AP"]["value"]
    assert set(beside["scores"]["map"]["masks"]) == {"oracle", *small["thresholds"]}
    assert len(metrics["warnings"]) == 4  # one for each threshold: they were chosen on these very cases


@pytest.mark.slow
def test_saving_reconstructions(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "save_reconstruction=true")
    fold = tiny.run_training("nnUNetPretrainerMAE_1epochs_1iters")
    names = {p.name for p in (fold / "validation").iterdir()}
    assert {f"{tiny.LESION[2]}_reconstruction_000{c}.nii.gz" for c in (0, 1)} <= names


class Half(torch.nn.Module):
    def forward(self, x):
        return 0.5 * x


@pytest.fixture
def run(dae_fold, tmp_path):
    """A validation of one case by a network that halves the image; what it says is in ``run.said``."""
    preprocessed = tmp_path / tiny.DATASET
    preprocessed.mkdir()
    (preprocessed / "gt_segmentations").symlink_to(
        Path(os.environ["nnUNet_preprocessed"]) / tiny.DATASET / "gt_segmentations"
    )
    source = str(Path(os.environ["nnUNet_preprocessed"]) / tiny.DATASET / "nnUNetPlans_2d_tiny")
    restorer = load_restorer(dae_fold.parent, [0], device="cpu")
    said = []
    return ValidationRun(
        folder=tmp_path / "fold_0",
        dataset=infer_dataset_class(source)(source, [tiny.LESION[2]]),
        preprocessed=preprocessed,
        restorer=dataclasses.replace(restorer, networks=[Half()], mirror_axes=None),
        score=restorer.settings,
        labels_are_lesions=True,
        save_reconstruction=False,
        label_manager=SimpleNamespace(ignore_label=None, all_labels=[0, 1, 2]),
        least_cases=1,
        rank=0,
        ranks=1,
        log=said.append,
    )


def preprocessed_case(run):
    data, seg, _, _ = run.dataset.load_case(tiny.LESION[2])
    return np.asarray(data[:]), np.asarray(seg[:])[0]


def test_the_error_of_a_reconstruction_by_hand(run):
    """Half of the image is left over: |x| / 2, the mean over both channels; lesions are all labels above 0."""
    summary = write_validation_report(run)
    image, labels = preprocessed_case(run)
    metrics = summary["mean"]
    expected = np.abs(image).mean(0) / 2
    assert metrics["MAE_lesion"] == pytest.approx(expected[labels > 0].mean(), rel=1e-3)
    assert metrics["MAE_healthy"] == pytest.approx(expected[labels == 0].mean(), rel=1e-3)
    assert metrics["MSE_foreground"] == pytest.approx((image**2).mean(0)[labels >= 0].mean() / 4, rel=1e-3)
    assert metrics["lesion_voxels"] == (labels > 0).sum()
    assert summary["metric_per_case"] == [
        {"identifier": tiny.LESION[2], "map": f"{tiny.LESION[2]}_map.nii.gz", "metrics": metrics}
    ]
    assert json.loads((run.folder / "validation" / "summary.json").read_text())["mean"] == metrics


def test_whichever_score_is_the_main_one_the_other_stands_beside_it_and_none_is_left_of_before(run):
    """Both are the same whichever of them is the main one."""
    write_validation_report(run)
    stored = json.loads((run.folder / "anomaly_thresholds.json").read_text())
    small = run.output / "small-lesions"
    records = [json.loads((folder / "anomaly_maps.json").read_text()) for folder in (run.output, small)]
    assert stored == {**records[0], "further": records[1:]}
    label = SimpleITK.ReadImage(str(run.preprocessed / "gt_segmentations" / f"{tiny.LESION[2]}.nii.gz"))
    healthy = SimpleITK.GetArrayFromImage(label) == 0
    for folder, record in zip((run.output, small), records, strict=True):
        score = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / f"{tiny.LESION[2]}_map.nii.gz")))
        above = score[healthy & (score > 0)] >= record["thresholds"]["fpr:0.05"]["value"]
        assert above.mean() == pytest.approx(0.05, abs=0.015), f"thresholds of the maps in {folder.name}"
    name = f"{tiny.LESION[2]}_map.nii.gz"
    first, second = (folder.joinpath(name).read_bytes() for folder in (run.output, small))
    write_validation_report(dataclasses.replace(run, score=dataclasses.replace(run.score, score="small-lesions")))
    assert (run.output / name).read_bytes() == second and (run.output / "default" / name).read_bytes() == first
    assert json.loads((run.folder / "anomaly_thresholds.json").read_text()) == {**records[1], "further": records[:1]}
    assert not (small / "anomaly_maps.json").exists()


def test_the_ranks_of_a_training_count_their_cases_together(run, monkeypatch):
    folder, ranks = Path(run.dataset.source_folder), []

    def validated(cases, **changes):
        dataset = type(run.dataset)(str(folder), cases)
        write_validation_report(dataclasses.replace(run, dataset=dataset, **changes))
        return json.loads((run.folder / "anomaly_thresholds.json").read_text())

    alone = validated(tiny.LESION[2:])
    (run.folder / "anomaly_thresholds.json").write_text("{}")

    def all_gather_object(gathered, found):
        ranks.insert(0, found)
        gathered[:] = ranks if len(ranks) == 2 else [found, found]

    monkeypatch.setattr(validation.dist, "all_gather_object", all_gather_object)
    assert validated(tiny.LESION[3:], rank=1, ranks=2) == {}, "the first rank writes"
    assert validated(tiny.LESION[2:3], rank=0, ranks=2) == alone
    assert alone["further"][0]["thresholds"]["best"]["cases"] == tiny.LESION[2:]


def test_voxels_that_nobody_annotated_are_neither_healthy_nor_lesion(run):
    ignoring = dataclasses.replace(run, label_manager=SimpleNamespace(ignore_label=2, all_labels=[0, 1]))
    metrics = write_validation_report(ignoring)["mean"]
    _, labels = preprocessed_case(run)
    assert (labels == 2).any()
    assert metrics["lesion_voxels"] == (labels == 1).sum() and metrics["healthy_voxels"] == (labels == 0).sum()
    assert metrics["foreground_voxels"] == ((labels == 0) | (labels == 1)).sum()


@pytest.mark.parametrize("why", ["nobody labelled the case", "labels are anatomy"])
def test_without_lesions_the_thresholds_are_those_of_healthy_voxels_alone(run, why):
    if why == "labels are anatomy":
        run = dataclasses.replace(run, labels_are_lesions=False)
    else:
        (run.preprocessed / UNLABELLED_FILE).write_text(json.dumps([tiny.LESION[2]]))
    assert write_validation_report(run)["anomaly"] == {}
    stored = json.loads((run.folder / "anomaly_thresholds.json").read_text())["thresholds"]
    assert set(stored) == {"fpr:0.05", "fpr:0.01", "fpr:0.001"}
    score = SimpleITK.GetArrayFromImage(
        SimpleITK.ReadImage(str(run.folder / "validation" / f"{tiny.LESION[2]}_map.nii.gz"))
    )
    # Nothing was resampled, so the file holds the score that the threshold was chosen on.
    inside = np.zeros(score.shape, bool)
    labels = preprocessed_case(run)[1]
    box = run.dataset.load_case(tiny.LESION[2])[3]["bbox_used_for_cropping"]
    inside[tuple(slice(low, high) for low, high in box)] = labels >= 0
    above = (score[inside] > stored["fpr:0.05"]["value"]).mean()
    assert above == pytest.approx(0.05, abs=0.005)
    assert not (run.folder / "validation" / "anomaly_metrics.json").exists()


def test_maps_that_cannot_be_evaluated_are_kept_and_the_reason_is_said(run, tmp_path):
    broken = tmp_path / "broken"
    (broken / "gt_segmentations").mkdir(parents=True)
    said = []
    summary = write_validation_report(dataclasses.replace(run, preprocessed=broken, log=said.append))
    assert summary["anomaly"] == {} and summary["mean"]["MAE_foreground"] > 0
    assert len(said) == 1 and said[0].startswith("WARNING: the anomaly maps were not evaluated: ")
    assert (run.folder / "validation" / f"{tiny.LESION[2]}_map.nii.gz").exists()


@pytest.mark.slow
def test_processes_beside_the_gpu_write_the_same_to_the_last_bit(run, monkeypatch):
    """Any other device than the CPU gets a pool: ``meta`` stands for it, the network stays where it is."""
    cases = [tiny.LESION[2], tiny.LESION[3]]
    dataset = type(run.dataset)(run.dataset.source_folder, cases)
    alone = dataclasses.replace(run, dataset=dataset, least_cases=2)
    pooled = dataclasses.replace(alone, folder=run.folder.with_name("pooled"))
    monkeypatch.setattr("nnunet_uad.pretrain.validation.default_num_processes", 2)
    expected = write_validation_report(alone)
    restorer = SimpleNamespace(
        **{
            name: getattr(run.restorer, name)
            for name in ("reconstruct", "source", "restoration", "scorer", "model", "settings")
        },
        device=torch.device("meta"),
    )
    assert write_validation_report(dataclasses.replace(pooled, restorer=restorer)) == expected
    files = sorted(p.relative_to(run.folder) for p in run.folder.rglob("*") if p.is_file())
    for file in files:
        if file.name.endswith((".nii.gz", ".png")) or file.name == "anomaly_thresholds.json":
            assert (pooled.folder / file).read_bytes() == (run.folder / file).read_bytes(), file
    assert len(files) >= 6


@pytest.mark.parametrize(("least", "barriers"), [(41, 2), (40, 1), (20, 0)])
def test_ranks_wait_for_each_other_now_and_then(run, monkeypatch, least, barriers):
    """After every 20 cases, but for the last one that all ranks have: as nnU-Net."""
    reached = []
    report = validation._Report(dataclasses.replace(run, ranks=2, least_cases=least))
    monkeypatch.setattr(validation.dist, "barrier", lambda: reached.append(None))
    monkeypatch.setattr(report.run.dataset, "identifiers", [str(k) for k in range(41)])
    monkeypatch.setattr(report, "_reconstruct", lambda key: (None, None))
    monkeypatch.setattr(report, "finishing", lambda case, known: ({}, None))
    monkeypatch.setattr(report, "_collect", lambda *job: None)
    report.validate_all()
    assert len(reached) == barriers


def test_a_rank_that_does_not_lead_writes_its_maps_and_no_summary(run, monkeypatch):
    def gather(gathered, mine):
        gathered[:] = [mine, mine]

    monkeypatch.setattr("nnunet_uad.pretrain.validation.dist.all_gather_object", gather)
    assert write_validation_report(dataclasses.replace(run, rank=1, ranks=2)) is None
    written = {p.name for p in run.output.iterdir()}
    assert written == {f"{tiny.LESION[2]}_map.nii.gz", f"{tiny.LESION[2]}_montage.png", "small-lesions"}
    assert not (run.folder / "anomaly_thresholds.json").exists()


def test_a_method_without_maps_leaves_the_summary_that_nnunets_export_wants(tmp_path):
    write_no_report(tmp_path, "nnUNetPretrainerContrastive")
    content = json.loads((tmp_path / "validation" / "summary.json").read_text())
    assert (content["metric_per_case"], content["mean"], content["anomaly"]) == ([], {}, {})
    assert content["note"].startswith("nnUNetPretrainerContrastive learns without reconstructing or scoring images")
