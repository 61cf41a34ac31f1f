import json

import pytest
import tiny

from nnunet_uad.study.planning.labels import fingerprint, read_annotations


def test_volumes_and_slices(workplace):
    data = workplace.source / "nnUNetPlans_2d_tiny"
    found = read_annotations(data, [*tiny.HEALTHY[:1], *tiny.LESION[:1]], None, voxel=12.0)
    healthy, lesion = found.values()
    assert healthy.volume == 0 and healthy.lesion_slices == () and healthy.slices > 4
    raw = tiny.tiny_case(4, True)[1]
    assert lesion.volume == pytest.approx((raw > 0).sum() * 12, rel=0.15)
    assert len(lesion.lesion_slices) == 3 and not set(lesion.lesion_slices) & set(lesion.other_slices)
    ignored = read_annotations(data, tiny.LESION[:1], 1, voxel=12.0)[tiny.LESION[0]]
    assert 0 < ignored.volume < lesion.volume


def test_labels_of_another_format_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="preprocess again"):
        read_annotations(tmp_path, ["a"], None, 1.0)


def test_the_fingerprint_notices_labels_and_plans(workplace):
    data = workplace.source / "nnUNetPlans_2d_tiny"
    plans = json.loads((workplace.source / "nnUNetPlans.json").read_text())
    description = json.loads((workplace.source / "dataset.json").read_text())
    cases = [*tiny.HEALTHY, *tiny.LESION]

    def now():
        return fingerprint(read_annotations(data, cases, None, 1.0), plans, "2d_tiny", description)

    before = now()
    assert before == now()
    plans["configurations"]["2d_tiny"]["batch_size"] += 1
    assert now() != before
    plans["configurations"]["2d_tiny"]["batch_size"] -= 1
    path = data / f"{tiny.LESION[0]}_seg.b2nd"
    content = path.read_bytes()
    other = (data / f"{tiny.LESION[1]}_seg.b2nd").read_bytes()
    assert content != other
    path.write_bytes(other)
    assert now() != before
