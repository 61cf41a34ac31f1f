"""Maps and masks over their images in 3D Slicer (a scene per case) and ITK-SNAP (a file of labels)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import SimpleITK

from nnunet_uad.common.files import write_text
from nnunet_uad.data.image_files import COLOURS
from nnunet_uad.inference.export import Exporter
from nnunet_uad.scoring.score_settings import main_channel

#: ITK-SNAP's label description file, one for a folder.
LABELS_FILE = "labels.txt"
#: Share of the map's colour over the image, and of the mask's.
MAP_OPACITY, MASK_OPACITY = 0.5, 0.4
#: Label → colour (red, green, blue) and name.
_LABELS = {1: ((0, 200, 255), "anomalous: the map is at least {threshold:.4g}")}
#: Colour tables that every Slicer has.
_GREY, _HEAT, _LABEL_COLOURS = (
    f"vtkMRMLColorTableNode{name}" for name in ("Grey", "FileInferno.txt", "FileGenericAnatomyColors.txt")
)
#: Slicer's three slice views.
_VIEWS = ("Red", "Yellow", "Green")


def require_volumes(file_ending: str) -> None:
    """Refuse datasets of photographs: both programs are for volumes.

    Args:
        file_ending: File ending of the dataset.

    Raises:
        ValueError: The dataset is one.
    """
    if file_ending.lower() in COLOURS:
        raise ValueError(
            f"--overlay is for volumes, which 3D Slicer and ITK-SNAP show; this model reads {file_ending}. Take the "
            "pictures instead: --save map mask png."
        )


def write_overlays(exporter: Exporter, images: Mapping[str, list[str]], cases: Iterable[str]) -> None:
    """Write a scene for every case, and the labels of all; maps and masks must be there.

    Args:
        exporter: Writer of the maps, with the threshold of the masks.
        images: Files of every case, in the order of the channels.
        cases: Identifiers of the cases that are finished.

    Raises:
        ValueError: There are no masks, because there is no threshold.
    """
    if exporter.threshold is None:
        raise ValueError("An overlay needs masks, and a mask needs a threshold.")
    channel = main_channel(exporter.settings.channel_weights, exporter.model.channel_names)
    write_text(exporter.folder / LABELS_FILE, label_descriptions(exporter.threshold))
    for case in cases:
        image = Path(images[case][channel])
        write_text(exporter.scene(case), scene(exporter, case, image, exporter.threshold))


def scene(exporter: Exporter, case: str, image: Path, threshold: float) -> str:
    """A scene of 3D Slicer: the image, the map over it from half the threshold on, the mask.

    The elements and attributes are those that Slicer 5.6 writes itself, as far as it needs them; where the views hold
    their volumes is said as Slicer 4 does, too.

    Args:
        exporter: Writer of the map and the mask.
        case: Identifier of the case.
        image: File of the image that is shown below.
        threshold: Threshold of the mask, in units of the score.

    Returns:
        Content of the ``.mrml`` file, whose paths are relative to the folder of the maps.
    """
    (anomaly,), (mask,) = (exporter.of_kind(case, kind) for kind in ("map", "mask"))
    low, high = threshold / 2, max(_greatest(anomaly), threshold)
    root = ElementTree.Element("MRML", version="Slicer 5.6.1 32438", userTags="")
    shown = {"interpolate": "1", "window": f"{high - low:g}", "level": f"{(high + low) / 2:g}", "autoWindowLevel": "0"}
    # Twice the greatest: rounded, it must not hide the peak.
    cut = {"applyThreshold": "1", "autoThreshold": "0", "lowerThreshold": f"{low:g}", "upperThreshold": f"{2 * high:g}"}
    ids = {
        "background": _volume(
            root, 1, image.name, _relative(image, exporter.folder), _GREY, {"interpolate": "1", "autoWindowLevel": "1"}
        ),
        "foreground": _volume(root, 2, anomaly.name, anomaly.name, _HEAT, {**shown, **cut}),
        "label": _volume(root, 3, mask.name, mask.name, _LABEL_COLOURS, {}, is_mask=True),
    }
    for view in _VIEWS:
        ElementTree.SubElement(
            root,
            "SliceComposite",
            id=f"vtkMRMLSliceCompositeNode{view}",
            name=f"SliceComposite {view}",
            singletonTag=view,
            layoutName=view,
            references="".join(f"{role}Volume:{number};" for role, number in ids.items()),
            attrib={f"{role}VolumeID": number for role, number in ids.items()},
            compositing="0",
            foregroundOpacity=f"{MAP_OPACITY:g}",
            labelOpacity=f"{MASK_OPACITY:g}",
            linkedControl="1",
        )
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def label_descriptions(threshold: float) -> str:
    """ITK-SNAP's description of the mask's labels.

    Args:
        threshold: Threshold of the mask, in units of the score.

    Example:
        >>> print(label_descriptions(2.5).splitlines()[-1])
            1      0   200   255       1    1   1    "anomalous: the map is at least 2.5"
    """
    lines = [
        "################################################",
        "# ITK-SnAP Label Description File",
        "# File format:",
        "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL",
        "# Fields:",
        "#    IDX:   Zero-based index",
        "#    -R-:   Red color component (0..255)",
        "#    -G-:   Green color component (0..255)",
        "#    -B-:   Blue color component (0..255)",
        "#    -A-:   Label transparency (0.00 .. 1.00)",
        "#    VIS:   Label visibility (0 or 1)",
        "#    IDX:   Label mesh visibility (0 or 1)",
        "#  LABEL:   Label description",
        "################################################",
        '    0      0     0     0       0    0   0    "Clear Label"',
    ]
    for label, ((red, green, blue), name) in _LABELS.items():
        text = name.format(threshold=threshold)
        lines.append(f'{label:5d}  {red:5d} {green:5d} {blue:5d}       1    1   1    "{text}"')
    return "\n".join(lines) + "\n"


def _volume(
    root: ElementTree.Element, number: int, name: str, file: str, colours: str, display: dict, is_mask: bool = False
) -> str:
    """Add a volume, where it lies and how it is shown; returns its identifier."""
    kind = "LabelMap" if is_mask else "Scalar"
    ids = {
        part: f"vtkMRML{node}{number}"
        for part, node in {
            "display": f"{kind}VolumeDisplayNode",
            "storage": "VolumeArchetypeStorageNode",
            "volume": f"{kind}VolumeNode",
        }.items()
    }
    ElementTree.SubElement(
        root,
        "LabelMapVolumeDisplay" if is_mask else "VolumeDisplay",
        id=ids["display"],
        name=f"Display {number}",
        colorNodeID=colours,
        visibility="true",
        **display,
    )
    ElementTree.SubElement(
        root,
        "VolumeArchetypeStorage",
        id=ids["storage"],
        name=f"Storage {number}",
        # Slicer decodes what follows a percent sign.
        fileName=file.replace("%", "%25"),
        useCompression="1",
        centerImage="0",
        UseOrientationFromFile="1",
    )
    ElementTree.SubElement(
        root,
        "LabelMapVolume" if is_mask else "Volume",
        id=ids["volume"],
        name=name,
        references=f"display:{ids['display']};storage:{ids['storage']};",
    )
    return ids["volume"]


def _relative(path: Path, folder: Path) -> str:
    """The path as seen from the folder, with slashes; whole where there is none, as from one drive to another."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _greatest(path: Path) -> float:
    """Highest score of a map."""
    return float(SimpleITK.GetArrayViewFromImage(SimpleITK.ReadImage(str(path))).max())
