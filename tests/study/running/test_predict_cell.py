from types import SimpleNamespace

import pytest
import SimpleITK
import tiny
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.study.running.predict_cell import cases_to_test, refuse_bad_cases


def test_own_cases_and_their_files(workplace):
    layout = workplace.plan(budgets=["2s"], draws=1)
    cell = layout.cells["scratch/fold0_2s_draw0"]
    found = list(cases_to_test(layout, cell, tiny.DATASET))
    assert [case for case, *_ in found] == tiny.LESION[2:]
    for case, images, label, classes in found:
        assert [p.name for p in images] == [f"{case}_{k:04d}.nii.gz" for k in (0, 1)]
        # The whole labels, not those with hidden slices.
        assert label == workplace.source / "gt_segmentations" / f"{case}.nii.gz" and label.exists()
        assert classes == {"background": 0, "lesion": 1, "core": 2}


def test_damaged_images_and_displaced_labels_are_refused_before_a_case_is_segmented(tmp_path):
    raw = tiny.write_raw(tmp_path)
    predictor = SimpleNamespace(
        plans_manager=PlansManager({"image_reader_writer": "SimpleITKIO"}),
        dataset_json={"channel_names": {"0": "FLAIR", "1": "T1"}},
    )
    cases = {
        case: ([raw / "imagesTr" / f"{case}_{k:04d}.nii.gz" for k in (0, 1)], raw / "labelsTr" / f"{case}.nii.gz")
        for case in tiny.LESION[:3]
    }
    refuse_bad_cases(cases, predictor)
    cut = cases[tiny.LESION[0]][0][1]
    cut.write_bytes(cut.read_bytes()[:-2000])
    displaced = SimpleITK.ReadImage(str(cases[tiny.LESION[1]][1]))
    displaced.SetOrigin((0, 0, 0))
    SimpleITK.WriteImage(displaced, str(cases[tiny.LESION[1]][1]))
    with pytest.raises(ValueError, match=r"^2 case.s. cannot be tested:\n  lesion_0: .*\n  lesion_1: .*origin"):
        refuse_bad_cases(cases, predictor)
