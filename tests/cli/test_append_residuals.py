import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.cli.main import main

TRAINER = "nnUNetPretrainerDAE_2epochs_3iters"
MODEL = f"-d {tiny.NUMBER} -c 2d_tiny -tr {TRAINER} -device cpu -npp 0 -nps 0".split()
TARGET = "Dataset981_TinyResidual"


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


@pytest.fixture(scope="module")
def every_case_left_out(dae_fold):
    """Fold 0 knows the healthy cases and lesion_0, fold 1 lesion_0 and _1: a third fold leaves out the rest."""
    splits = Path(os.environ["nnUNet_preprocessed"]) / tiny.DATASET / "splits_final.json"
    before = splits.read_text()
    folds = json.loads(before)
    others = [c for c in (*tiny.HEALTHY, *tiny.LESION) if c not in folds[0]["train"]]
    splits.write_text(json.dumps([*folds, {"train": others, "val": folds[0]["train"]}]))
    tiny.run_training(TRAINER, fold=2)
    yield
    splits.write_text(before)
    shutil.rmtree(tiny.fold_folder(TRAINER, fold=2))


@pytest.fixture
def raw(tiny_dataset):
    root = Path(os.environ["nnUNet_raw"])
    yield root
    shutil.rmtree(root / TARGET, ignore_errors=True)


def append(*flags):
    return main(["append-residuals", "-o", "981", *MODEL, *flags])


@pytest.mark.slow
def test_the_dataset_and_stock_nnunet_on_it(every_case_left_out, raw, tmp_path, capsys):
    assert append("--kinds", "signed", "absolute") == 0
    target = raw / TARGET
    description = json.loads((target / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "FLAIR", "1": "T1", **{str(k): "noNorm" for k in range(2, 6)}}
    record = json.loads((target / "residual_channels.json").read_text())
    assert record["restored_by"]["healthy_1"] == ["fold_2"] and record["restored_by"]["lesion_2"] == ["fold_0"]
    source = raw / tiny.DATASET
    for case in (*tiny.HEALTHY, *tiny.LESION):
        assert np.array_equal(*(read(f / "imagesTr" / f"{case}_0001.nii.gz") for f in (source, target)))
        signed, absolute = (read(target / "imagesTr" / f"{case}_{k:04d}.nii.gz") for k in (2, 4))
        image = read(source / "imagesTr" / f"{case}_0000.nii.gz")
        assert signed.shape == image.shape and np.abs(signed).max() > 0
        assert np.abs(signed[image == 0]).mean() < 0.1 * np.abs(signed[image > 0]).mean()
        assert np.allclose(absolute[image > 0], np.abs(signed)[image > 0], atol=0.5)
    assert (target / "imagesTs" / "test_0005.nii.gz").exists() and (target / "labelsTr" / "lesion_0.nii.gz").exists()

    # A second run keeps what is there.
    stamp = (target / "imagesTr" / "lesion_2_0002.nii.gz").stat().st_mtime_ns
    assert append("--kinds", "signed", "absolute") == 0
    assert (target / "imagesTr" / "lesion_2_0002.nii.gz").stat().st_mtime_ns == stamp

    # Of another restorer they are stale (see also tests/inference/test_channels.py).
    path = target / "residual_channels.json"
    path.write_text(json.dumps({**record, "restorers": {"fold_0": "another"}}))
    assert append("--kinds", "signed", "absolute") == 1
    assert "made differently (restorers). They are stale" in capsys.readouterr().err
    path.write_text(json.dumps(record))

    plans = tiny.plan_and_preprocess(981, TARGET)
    manager = PlansManager(str(Path(os.environ["nnUNet_preprocessed"]) / TARGET / f"{plans}.json"))
    schemes = manager.get_configuration("2d_tiny").normalization_schemes
    assert schemes == ["ZScoreNormalization"] * 2 + ["NoNormalization"] * 4
    fold = tiny.run_training("nnUNetTrainer_1epochs_2iters", number="981")
    assert json.loads((fold / "validation" / "summary.json").read_text())["metric_per_case"]

    out = tmp_path / "with_residuals"
    images = source / "imagesTs"
    command = ["predict", "-i", str(images), "-o", str(out), *MODEL, "--as-channels", "signed", "absolute"]
    assert main(command) == 0
    for k in range(6):
        assert np.array_equal(read(out / f"test_{k:04d}.nii.gz"), read(target / "imagesTs" / f"test_{k:04d}.nii.gz"))
    from nnunetv2.inference import predict_from_raw_data

    sys.argv = (
        f"nnUNetv2_predict -i {out} -o {out}_seg -d 981 -c 2d_tiny -f 0 -tr nnUNetTrainer_1epochs_2iters "
        "-device cpu -npp 0 -nps 0"
    ).split()
    predict_from_raw_data.predict_entry_point()
    assert read(Path(f"{out}_seg") / "test.nii.gz").shape == tiny.SHAPE


def test_a_case_that_every_fold_knows_is_refused(dae_fold, raw, capsys):
    assert append("-f", "0") == 1
    err = capsys.readouterr().err
    assert "5 case(s) were among the training cases of every fold (fold_0): healthy_0" in err
    assert not (raw / TARGET).exists()


@pytest.mark.parametrize("name", [tiny.NUMBER, "Dataset98_x", "Tiny"])
def test_bad_names(dae_fold, raw, capsys, name):
    assert main(["append-residuals", "-o", name, *MODEL]) == 1
    assert "-o expects a number other than that of Dataset991_Tiny" in capsys.readouterr().err


@pytest.mark.slow
def test_models_that_only_detect_have_no_residual(tiny_dataset, raw, tmp_path, capsys):
    name = "nnUNetPretrainerSyntheticAnomaly_1epochs_2iters"
    tiny.run_training(name)
    flags = [*MODEL[:5], name, *MODEL[6:]]
    images = str(raw / tiny.DATASET / "imagesTs")
    for more in (["--as-channels"], ["--save", "map", "reconstruction"]):
        assert main(["predict", "-i", images, "-o", str(tmp_path / "x"), *flags, *more]) == 1
        assert "without reconstructing the image" in capsys.readouterr().err
    assert main(["predict", "-i", images, "-o", str(tmp_path / "y"), *flags, "--save", "map", "mask", "png"]) == 0
    assert (tmp_path / "y" / "test_montage.png").exists()
