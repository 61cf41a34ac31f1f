import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import SimpleITK

from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.overlay import LABELS_FILE, label_descriptions, require_volumes, write_overlays
from nnunet_uad.scoring.score_settings import ScoreSettings

CASE = 'a & b "100 %"'


@pytest.fixture
def folder(model, tmp_path) -> Path:
    """Images in a folder, map and mask in another, with the scene."""
    maps, images = tmp_path / "out" / "maps", tmp_path / "images"
    maps.mkdir(parents=True)
    images.mkdir()
    volume = np.zeros((4, 5, 6), np.float32)
    volume[2, 3, 4] = 8
    files = [images / f"{CASE}_{channel:04d}.nii.gz" for channel in (0, 1)]
    for path in (*files, maps / f"{CASE}_map.nii.gz", maps / f"{CASE}_mask.nii.gz"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(path))
    exporter = Exporter(maps, ("map", "mask"), model, ScoreSettings(channel_weights="T1:1"), 3.0)
    write_overlays(exporter, {CASE: [str(path) for path in files], "broken": []}, [CASE])
    return maps


def scene_of(folder: Path) -> ElementTree.Element:
    return ElementTree.fromstring((folder / f"{CASE}.mrml").read_text())


def references(node: ElementTree.Element) -> dict[str, str]:
    """Role → identifier, as Slicer writes and reads them."""
    return dict(part.split(":") for part in node.attrib["references"].rstrip(";").split(";"))


def test_every_file_of_the_scene_is_where_it_says(folder):
    files = [node.attrib["fileName"] for node in scene_of(folder).iter("VolumeArchetypeStorage")]
    assert len(files) == 3 and not any(Path(name).is_absolute() for name in files)
    assert all((folder / name.replace("%25", "%")).is_file() for name in files)
    # The image is the channel that the score is made of.
    assert files[0].endswith("_0001.nii.gz") and files[0].startswith("../../images/")


def test_every_reference_of_the_scene_leads_to_a_node_of_its_kind(folder):
    root = scene_of(folder)
    kinds = {node.attrib["id"]: node.tag for node in root}
    assert len(kinds) == len(root)
    for node in root.iter("Volume"):
        assert {role: kinds[n] for role, n in references(node).items()} == {
            "display": "VolumeDisplay",
            "storage": "VolumeArchetypeStorage",
        }
    (mask,) = root.iter("LabelMapVolume")
    assert kinds[references(mask)["display"]] == "LabelMapVolumeDisplay"
    # An identifier is Slicer's name of the class, and a number.
    assert all(re.fullmatch(r"vtkMRML\w+Node(\d|Red|Yellow|Green)", name) for name in kinds)


def test_image_below_map_above_and_mask_in_all_three_views(folder):
    root = scene_of(folder)
    views = list(root.iter("SliceComposite"))
    assert [view.attrib["layoutName"] for view in views] == ["Red", "Yellow", "Green"]
    names = {node.attrib["id"]: node.attrib["name"] for node in root}
    for view in views:
        shown = {role: names[number] for role, number in references(view).items()}
        assert shown == {
            "backgroundVolume": f"{CASE}_0001.nii.gz",
            "foregroundVolume": f"{CASE}_map.nii.gz",
            "labelVolume": f"{CASE}_mask.nii.gz",
        }
        assert {role: view.attrib[f"{role}ID"] for role in shown} == references(view)
        assert 0 < float(view.attrib["foregroundOpacity"]) < 1 and 0 < float(view.attrib["labelOpacity"]) < 1


def test_the_map_is_shown_from_half_the_threshold_to_its_greatest_value(folder):
    display = scene_of(folder).findall("VolumeDisplay")[1].attrib
    window, level = float(display["window"]), float(display["level"])
    assert (level - window / 2, level + window / 2) == (1.5, 8.0)
    assert float(display["upperThreshold"]) > 8
    assert (display["applyThreshold"], display["lowerThreshold"], display["autoWindowLevel"]) == ("1", "1.5", "0")


def test_labels_are_in_itk_snaps_format(folder):
    text = (folder / LABELS_FILE).read_text()
    assert text == label_descriptions(3.0)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pattern = r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([01])\s+([01])\s+([01])\s+"([^"]+)"'
    rows = [re.fullmatch(pattern, line).groups() for line in lines]
    assert [row[0] for row in rows] == ["0", "1"] and rows[0][-1] == "Clear Label" and "at least 3" in rows[1][-1]
    assert all(int(value) < 256 for row in rows for value in row[1:4])


def test_without_masks_there_is_no_overlay(model, tmp_path):
    with pytest.raises(ValueError, match="An overlay needs masks"):
        write_overlays(Exporter(tmp_path, ("map",), model, ScoreSettings()), {}, [])


def test_photographs_are_refused():
    require_volumes(".nii.gz")
    with pytest.raises(ValueError, match=r"--overlay is for volumes.*this model reads \.png"):
        require_volumes(".png")
