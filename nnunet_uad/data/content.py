"""What a case holds, whatever it is called: fingerprints of images, computed once and kept beside the data.

A fingerprint is that of a channel's voxel values without zeros, in no order: a copy under another name, another file
ending, compressed anew, turned, or with an empty margin has the same one.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import blosc2
import nibabel
import numpy as np
import SimpleITK
from tqdm import tqdm

from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.data.image_files import ending_of, read_image
from nnunet_uad.weights.leakage import ARRAY, DATA, RAW

#: In a dataset's folder: fingerprints of the files in its folders, with the files' sizes and times.
CACHE_FILE = "image_contents.json"
#: In a preprocessed dataset of several raw ones: fingerprints of the raw images of its cases.
SOURCES_FILE = "raw_contents.json"

#: Case → fingerprints of its channels; none where they could not be had.
Contents = dict[str, tuple[str, ...]]

#: With fewer grey values a channel is a mask or empty: two patients may have the same.
_LEAST_VALUES = 16
_AT_ONCE = 64


def channel_fingerprint(values: np.ndarray) -> str:
    """The fingerprint of a channel; empty if it holds too few grey values to tell patients apart.

    Args:
        values: Voxels of the channel, of any shape.

    Example:
        >>> image = np.arange(100).reshape(10, 10)
        >>> channel_fingerprint(image) == channel_fingerprint(np.pad(image.T[::-1].astype(float), 3))
        True
    """
    flat = np.asarray(values, dtype=np.float32).ravel()
    flat = np.sort(flat[flat != 0])
    if len(flat) < _LEAST_VALUES or 1 + np.count_nonzero(np.diff(flat)) < _LEAST_VALUES:
        return ""
    return hashlib.blake2b(flat.tobytes(), digest_size=16).hexdigest()


def array_fingerprint(image: np.ndarray) -> str:
    """The exact fingerprint of a preprocessed image, without what it is of: quick to compute.

    Args:
        image: Image (C, z, y, x) as nnU-Net's preprocessing leaves it.
    """
    digest = hashlib.blake2b(f"{tuple(map(int, image.shape))}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image, dtype=np.float32).data)
    return digest.hexdigest()


def image_fingerprints(image: np.ndarray) -> tuple[str, ...]:
    """Fingerprints of a preprocessed image.

    Args:
        image: Image (C, z, y, x) as nnU-Net's preprocessing leaves it.
    """
    return _marked([array_fingerprint(image), *map(channel_fingerprint, image)])


def preprocessed_contents(folder: Path, cases: Iterable[str]) -> Contents:
    """Fingerprints of preprocessed cases.

    Args:
        folder: Folder of a configuration's preprocessed data.
        cases: Identifiers of the cases.
    """
    cases = sorted(set(cases))
    files = {
        case: next((p for p in _data_files(folder, case) if p.is_file()), folder / f"{case}.b2nd") for case in cases
    }
    found = _fingerprints(files.values(), _preprocessed_channels)
    return {case: _marked(found[path]) for case, path in files.items()}


def raw_contents(images: Mapping[str, Sequence[str | Path]]) -> Contents:
    """Fingerprints of raw cases.

    Args:
        images: Files of each case.
    """
    paths = {case: [Path(p) for p in files] for case, files in images.items()}
    found = _fingerprints([p for files in paths.values() for p in files], _raw_channels)
    return {case: tuple(RAW + f for p in files for f in found[p] if f) for case, files in paths.items()}


def dataset_contents(raw: Path | None, preprocessed: Path, cases: Iterable[str]) -> Contents:
    """Fingerprints of the raw images of a preprocessed dataset, as far as they are known.

    Args:
        raw: Folder of all raw datasets, ``None`` if there is none.
        preprocessed: Folder of the dataset in nnUNet_preprocessed.
        cases: Identifiers of the cases.

    Returns:
        The cases that are known; none where the raw images are not there.
    """
    wanted = set(cases)
    remembered = {case: f for case, f in sources_of(preprocessed).items() if case in wanted}
    listed = raw_images(raw / preprocessed.name) if raw is not None else {}
    return remembered | raw_contents({case: listed[case] for case in sorted(wanted) if case in listed})


def sources_of(preprocessed: Path) -> Contents:
    """Fingerprints of the raw images that a dataset was preprocessed from, where :func:`remember_sources` kept them.

    Args:
        preprocessed: Folder of the dataset in nnUNet_preprocessed.
    """
    try:
        return read_as(dict[str, tuple[str, ...]], preprocessed / SOURCES_FILE)
    except (OSError, ValueError):
        # What is lost is compared by the preprocessed images.
        return {}


def raw_images(folder: Path) -> dict[str, list[Path]]:
    """Images of a raw dataset by case; none where there is no such dataset, or it is not whole.

    Args:
        folder: Folder of the dataset in nnUNet_raw.
    """
    try:
        names = channel_names(load_dataset_json(folder / "dataset.json", labelled=False))
        return {case.identifier: [Path(p) for p in case.images] for case in raw_cases(folder, names)[0]}
    except (ValueError, OSError, LookupError, TypeError, AttributeError):
        # Whoever needs the raw images says what is wrong with them.
        return {}


def case_contents(raw: Path | None, preprocessed: Path, data: Path, cases: Iterable[str]) -> Contents:
    """All that is known of what preprocessed cases hold: raw images and preprocessed ones.

    Args:
        raw: Folder of all raw datasets, ``None`` if there is none.
        preprocessed: Folder of the dataset in nnUNet_preprocessed.
        data: Folder of a configuration's preprocessed data in it.
        cases: Identifiers of the cases.
    """
    contents = preprocessed_contents(data, cases)
    sources = dataset_contents(raw, preprocessed, contents)
    return {case: (*sources.get(case, ()), *own) for case, own in contents.items()}


def remember_sources(preprocessed: Path, images: Mapping[str, Sequence[str | Path]]) -> None:
    """Keep the fingerprints of the raw images that a dataset was preprocessed from.

    Args:
        preprocessed: Folder of the dataset in nnUNet_preprocessed.
        images: Files of the raw images of each case.
    """
    write_json(preprocessed / SOURCES_FILE, raw_contents(images))


def file_digests(files: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of the bytes of files, cached as the fingerprints are; those that are not there have none.

    Args:
        files: Files to read.
    """
    return {path: found[0] if found else "" for path, found in _fingerprints(files, _bytes_digest).items()}


def raw_folder() -> Path | None:
    """The folder of all raw datasets, ``None`` if nnUNet_raw does not name one."""
    value = os.environ.get("nnUNet_raw")
    return Path(value) if value and Path(value).is_dir() else None


def _marked(found: Sequence[str]) -> tuple[str, ...]:
    """Fingerprints of a preprocessed image as :func:`_preprocessed_channels` gives them, with what each is of."""
    return (*(DATA + f for f in found[1:] if f), *(ARRAY + f for f in found[:1]))


def _data_files(folder: Path, case: str) -> tuple[Path, ...]:
    return folder / f"{case}.b2nd", folder / f"{case}.npy", folder / f"{case}.npz"


def _preprocessed_channels(path: Path) -> list[str]:
    if path.suffix == ".b2nd":
        image = np.asarray(blosc2.open(urlpath=str(path), mode="r", dparams={"nthreads": 1})[:])
    elif path.suffix == ".npy":
        image = np.load(path, mmap_mode="r")
    else:
        image = np.load(path)["data"]
    return [array_fingerprint(image), *map(channel_fingerprint, image)]


def _raw_channels(path: Path) -> list[str]:
    try:
        # A name of its own: the view ends with the image.
        image = read_image(path)
        values = SimpleITK.GetArrayViewFromImage(image)
    except ValueError:
        # SimpleITK refuses some NIfTI headers that nnU-Net's other reader takes.
        if ending_of(path) not in (".nii", ".nii.gz"):
            raise
        values = np.asarray(cast("nibabel.Nifti1Image", nibabel.load(path)).dataobj)
    return [channel_fingerprint(values)]


def _bytes_digest(path: Path) -> list[str]:
    return [file_hash(path)]


def _fingerprints(files: Iterable[Path], compute: Callable[[Path], list[str]]) -> dict[Path, list[str]]:
    """Of each file, from the cache of its folder or computed; empty for files that cannot be read."""
    by_folder: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(files):
        by_folder.setdefault(path.parent, []).append(path)
    found: dict[Path, list[str]] = {}
    for folder, paths in by_folder.items():
        found |= _of_folder(folder, paths, compute)
    return found


def _of_folder(folder: Path, paths: Sequence[Path], compute: Callable[[Path], list[str]]) -> dict[Path, list[str]]:
    cache, kind = folder.parent / CACHE_FILE, compute.__name__.strip("_")
    known = _read_cache(cache)
    states = {path: _state(path) for path in paths}
    keys = {path: f"{kind} {folder.name}/{path.name}" for path in paths}
    todo = [p for p, state in states.items() if state and known.get(keys[p], {}).get("state") != state]
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(todo), desc="fingerprints of images", disable=len(todo) < 50, leave=False) as progress,
    ):
        for start in range(0, len(todo), _AT_ONCE):
            some = todo[start : start + _AT_ONCE]
            results = list(pool.map(lambda path: _computed(compute, path), some))
            new = {
                keys[p]: {"state": states[p], "found": f} for p, f in zip(some, results, strict=True) if f is not None
            }
            known |= new
            progress.update(len(some))
            _add_to_cache(cache, new)
    return {
        path: list(known[keys[path]]["found"]) if state and known.get(keys[path], {}).get("state") == state else []
        for path, state in states.items()
    }


def _computed(compute: Callable[[Path], list[str]], path: Path) -> list[str] | None:
    """What ``compute`` makes of a file; ``None`` if the file cannot be read, which others say better."""
    try:
        return compute(path)
    except Exception:
        return None


def _state(path: Path) -> list[int]:
    """Size and times of a file, which change when its content does; empty if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return []
    # The time of the last change cannot be set by hand, as cp -p sets the other.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read_cache(path: Path) -> dict[str, Any]:
    """Entries of the cache; none of a file that is damaged, which is then made anew."""
    try:
        entries = read_as(dict[str, dict[str, dict[str, Any]]], path).get("files", {})
    except (OSError, ValueError):
        return {}
    return {key: entry for key, entry in entries.items() if isinstance(entry.get("found"), list)}


def _add_to_cache(path: Path, new: Mapping[str, Any]) -> None:
    try:
        # Read again: others may have added theirs meanwhile. What is lost is computed again, not wrong.
        write_json(path, {"files": {**_read_cache(path), **new}})
    except OSError as error:
        warnings.warn(
            f"{path} cannot be written ({error.strerror}), so the fingerprints of the images in {path.parent} are "
            "computed anew each time. Make the folder writable to keep them.",
            stacklevel=2,
        )
