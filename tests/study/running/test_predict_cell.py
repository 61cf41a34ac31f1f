import tiny

from nnunet_uad.study.running.predict_cell import cases_to_test


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
