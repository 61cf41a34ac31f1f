import pytest

from nnunet_uad.selection.describe import describe_cases
from nnunet_uad.selection.models import NextModels


@pytest.mark.slow
def test_descriptions_are_kept_until_the_images_change(place, tmp_path):
    models = NextModels.load(place.request())
    files = {c: sorted(map(str, (place.raw / "imagesTr").glob(f"{c}_*"))) for c in ("lesion_0", "lesion_1")}
    folder, told = tmp_path / "cases", []
    found, failed = describe_cases(models, files, folder, (0, 0), told.append)
    assert not failed and set(found) == set(files) and not told
    one = found["lesion_0"]
    assert one.weight.shape == one.slice_anomaly.shape == (int(one.raw_slices),) and one.anomaly > 0
    assert float(one.anomaly) >= float(one.slice_anomaly.min())
    describe_cases(models, files, folder, (0, 0), told.append)
    assert told == ["2 of 2 cases were looked at already."]
    for one_file, other in zip(files["lesion_0"], files["lesion_1"], strict=True):
        open(one_file, "wb").write(open(other, "rb").read())
    again, _ = describe_cases(models, files, folder, (0, 0), told.append)
    assert any("images of lesion_0 have changed" in t for t in told)
    assert again["lesion_0"].first.tolist() == found["lesion_1"].first.tolist()
