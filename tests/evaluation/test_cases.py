import numpy as np
import pytest
import SimpleITK

from nnunet_uad.evaluation.cases import MAP, pair_files, read_cases
from nnunet_uad.evaluation.request import EvaluationRequest


def write(path, volume):
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(path))


@pytest.fixture
def request_of(tmp_path):
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2) - 1
    for case in ("a", "b"):
        write(tmp_path / "maps" / f"{case}_map.nii.gz", values)
        write(tmp_path / "labels" / f"{case}.nii.gz", (values > 4).astype(np.uint8))
        write(tmp_path / "masks" / f"{case}.nii.gz", (values > 1).astype(np.uint8))
    return lambda **more: EvaluationRequest(maps=[tmp_path / "maps"], labels=tmp_path / "labels", **more)


def test_a_case_is_read_onto_the_grid_of_its_labels(tmp_path, request_of):
    request = request_of(masks=tmp_path / "masks", only=["a", "c"])
    files, failed = pair_files(request)
    assert set(files) == {"a"} and failed == {"c": "there is no map and no label and no mask of this case"}
    (case,) = read_cases(request, files, failed, "ranking")
    assert case.identifier == "a" and case.valid is None and case.spacing == (1.0, 1.0, 1.0)
    assert case.positive.sum() == 2 and case.lesions.volumes.tolist() == [2.0]
    # Outside the mask is the lowest score; of the five voxels inside it two are lesion.
    assert case.foreground.sum() == 5 and case.healthy == 3
    assert set(case.scores) == {MAP} and sorted(case.scores[MAP].ravel()) == [-1, -1, -1, 2, 3, 4, 5, 6]


def test_a_case_that_cannot_be_read_is_noted_and_the_others_go_on(tmp_path, request_of):
    (tmp_path / "maps" / "a_map.nii.gz").write_bytes(b"no image")
    files, failed = pair_files(request_of())
    assert [case.identifier for case in read_cases(request_of(), files, failed, "ranking")] == ["b"]
    assert "cannot be read" in failed["a"]
