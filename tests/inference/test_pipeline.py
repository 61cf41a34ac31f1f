import numpy as np
import pytest

from nnunet_uad.inference.pipeline import SameProcess, _ahead, list_cases

DATASET = {"channel_names": {"0": "FLAIR", "1": "T1"}, "file_ending": ".nii.gz"}


def test_images_that_do_not_suit_the_model_are_named(tmp_path):
    for name in ("a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "c_0000.nii.gz", "c_0001.nii.gz", "c_0002.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    for name in ("d_0000.nrrd", "d_0001.nrrd"):
        (tmp_path / name).write_bytes(b"")
    good, failed = list_cases(tmp_path, DATASET)
    assert [p[-14:] for p in good["a"]] == ["/a_0000.nii.gz", "/a_0001.nii.gz"] and list(good) == ["a"]
    assert "expected 2 channel(s) (FLAIR, T1: _0000, _0001), found _0000" in failed["b"]
    assert "found _0000, _0001, _0002" in failed["c"] and "reads .nii.gz, found .nrrd" in failed["d"]


def test_only_a_few_cases_are_prepared_ahead():
    started = []

    class Counting(SameProcess):
        def submit(self, function, /, *arguments, **options):
            started.append(arguments[0])
            return super().submit(lambda: None)

    jobs = _ahead(Counting(), {str(k): [str(k)] for k in range(9)}, (), 3)
    assert next(jobs)[0] == "0" and len(started) == 3
    assert [name for name, _ in jobs] == [str(k) for k in range(1, 9)]


def test_a_job_in_the_same_process_keeps_its_exception():
    future = SameProcess().submit(lambda: 1 / 0)
    assert isinstance(future.exception(), ZeroDivisionError)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_raw_image_with_nan_is_refused(tmp_path, tiny_dataset, spoilt):
    import nibabel
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.inference.model_plan import ModelPlan
    from nnunet_uad.inference.pipeline import prepare

    plans = PlansManager(str(tiny_dataset / "nnUNetPlans.json"))
    model = ModelPlan(plans, plans.get_configuration("2d_tiny"), DATASET)
    volume = np.ones((20, 20, 8), np.float32)
    volume[3, 3, 3] = spoilt
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a_0000.nii.gz")
    with pytest.raises(ValueError, match=r"a_0000.nii.gz holds NaN"):
        prepare([str(tmp_path / "a_0000.nii.gz")], model)
