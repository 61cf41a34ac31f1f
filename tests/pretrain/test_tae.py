import pytest
import tiny

from nnunet_uad.pretrain.tae import TAESettings
from nnunet_uad.pretrain.task import Geometry

GEOMETRY = Geometry((1.0, 1.0), (96, 96), (16, 16))


def test_the_grid_comes_from_the_plan_or_the_setting():
    assert TAESettings().grid(GEOMETRY) == (3, 3)
    assert TAESettings(tile_grid="2x6").grid(GEOMETRY) == (2, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tile_grid=three", "tile_grid expects numbers of tiles per axis like 3x3, or auto, found 'three'"),
        (
            "tile_grid=3x3",
            r"A patch of 32 x 32 voxels cannot be cut into 3 x 3 tiles.*numbers of tiles there: 1, 2, 4, 8",
        ),
    ],
)
def test_wrong_grids_are_refused_before_work_starts(tiny_dataset, results, monkeypatch, text, message):
    monkeypatch.setenv("nnUNet_uad_settings", text)
    with pytest.raises(ValueError, match=message):
        tiny.make_trainer("nnUNetPretrainerTAE_1epochs_1iters")
