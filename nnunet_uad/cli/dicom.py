"""DICOM series to nnU-Net's images, and maps, masks and segmentations back to DICOM beside those series.

import groups the files of a folder, in any nesting, by study and series, and writes case_001_0000.nii.gz … of the
series that --series names for every channel. What is no volume (gaps, several echoes, localisers, derived, colour or
multi-frame images) is refused with what was found. Names and IDs of patients get into no file; dicom.json says by UIDs
which files each image was made of.

export writes, for every image of a folder that belongs to an imported case, a DICOM-SEG (labels, a segment each) or a
Parametric Map (float32). These carry the patient's name, as DICOM does, and refer to the files that they were made of.

Examples:
    nnunet_uad dicom import -i DICOM --list
    nnunet_uad dicom import -i DICOM -o IMAGES -d 901 --series "FLAIR=*flair*" "T1=*t1*" "T1!=*post*"
    nnunet_uad predict -i IMAGES -o MAPS -d 901 -c 2d -tr nnUNetPretrainerDAE --save map mask
    nnunet_uad dicom export -i MAPS -o OUT --images IMAGES
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import report_failures
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import channel_names, dataset_folder
from nnunet_uad.dicom.names import FOLDERS, NUMBERS, require_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help="DICOM series to nnU-Net's images").add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="DICOM files, in any nesting")
    add("-o", type=Path, metavar="FOLDER", help="where to write images and dicom.json")
    add("--list", action="store_true", help="only show studies and series, and which are no volume and why")
    add("-d", default="", metavar="DATASET", help="number or name of the dataset whose channels are wanted")
    add("--channels", nargs="+", default=[], metavar="NAME", help="names of the channels in their order, instead of -d")
    add(
        "--series",
        nargs="+",
        action="extend",
        default=[],
        metavar="CHANNEL=PATTERN",
        help="which series is which channel, by its description (*flair*) or number (#5); != excludes",
    )
    add(
        "--names",
        default=NUMBERS,
        metavar="HOW",
        help=f"names of cases: {NUMBERS} (default), {FOLDERS} (of the study; may name the patient), or a CSV file with "
        "the columns study or patient, and case",
    )
    add("--resample", action="store_true", help="bring other channels to the grid of the first, instead of refusing")
    add("--derived", action="store_true", help="take derived images for scans, too")
    add("--skip", action="store_true", help="leave out studies that cannot be imported, instead of importing none")
    add("--overwrite", action="store_true", help="replace images of before")
    add = actions.add_parser("export", help="maps, masks and segmentations to DICOM").add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="maps, masks or segmentations of imported cases")
    add("-o", type=Path, required=True, metavar="FOLDER", help="where to write DICOM files")
    add("--images", type=Path, required=True, metavar="FOLDER", help="imported images, with dicom.json")
    add("--dicom", type=Path, metavar="FOLDER", help="DICOM files of the import, if they moved")
    add("-d", default="", metavar="DATASET", help="dataset that names the labels (default: dataset.json beside them)")
    add("--split", action="store_true", help="a file per label, for readers that take all frames for one stack")
    add("--overwrite", action="store_true", help="replace files that were made of something else")


def run(arguments: argparse.Namespace) -> int:
    """Import or export; exit status 1 if something was refused.

    Args:
        arguments: Parsed flags.
    """
    require_libraries()
    return {"import": _import, "export": _export}[arguments.action](arguments)


def _import(arguments: argparse.Namespace) -> int:
    from nnunet_uad.dicom.importing import ImportRequest, import_folder, listing
    from nnunet_uad.dicom.rules import rule_of

    if arguments.list:
        print(listing(arguments.i, arguments.derived))
        return 0
    if arguments.o is None or bool(arguments.d) == bool(arguments.channels):
        raise ValueError("import expects -o FOLDER, and either -d DATASET or --channels NAME …; or --list alone.")
    channels = channel_names(_dataset(arguments.d)) if arguments.d else arguments.channels
    result = import_folder(
        ImportRequest(
            arguments.i,
            arguments.o,
            rule_of(arguments.series, channels),
            arguments.names,
            arguments.resample,
            arguments.derived,
            arguments.skip,
            arguments.overwrite,
        )
    )
    print(f"{len(result.written)} case(s) imported into {arguments.o}, {len(result.kept)} were there already.")
    return report_failures("imported", result.refused)


def _export(arguments: argparse.Namespace) -> int:
    from nnunet_uad.dicom.exporting import ExportRequest, export_folder

    result = export_folder(
        ExportRequest(
            arguments.i,
            arguments.o,
            arguments.images,
            arguments.dicom,
            _dataset(arguments.d) if arguments.d else None,
            arguments.split,
            arguments.overwrite,
        )
    )
    print(f"{len(result.written)} DICOM file(s) in {arguments.o}.")
    return report_failures("exported", result.failed)


def _dataset(name: str) -> dict[str, Any]:
    return read_mapping(dataset_folder("nnUNet_raw", name) / "dataset.json")
