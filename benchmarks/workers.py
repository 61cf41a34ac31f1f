"""How long a prediction takes by the number of worker processes and of cases; a row per number of cases, as CSV.

    python benchmarks/workers.py -i IMAGES -o rows.csv --cases 1 4 12 -- \
        nnunet_uad predict -i {images} -o {output} -d 905 -c 2d_small -tr nnUNetPretrainerDAE -device cpu

``{images}`` and ``{output}`` are filled in, ``-npp N -nps N`` is appended, and nothing for what the command chooses by
itself. Whole commands are timed, one after the other.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.data.image_files import channels_in


def links_to(folder: Path, images: Path, cases: int) -> Path:
    """A folder with links to the images of the first cases."""
    folder.mkdir()
    for files in list(channels_in(images).values())[:cases]:
        for file in files.values():
            (folder / file.name).symlink_to(file.resolve())
    return folder


def seconds(command: Sequence[str], images: Path, workers: int | None) -> float:
    """Seconds of a command."""
    with tempfile.TemporaryDirectory() as output:
        places = {"{images}": str(images), "{output}": output}
        words = [places.get(word, word) for word in command]
        words += [] if workers is None else ["-npp", str(workers), "-nps", str(workers)]
        started = time.monotonic()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.monotonic() - started


def main() -> None:
    """Time the command and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", type=Path, required=True)
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--cases", type=int, nargs="+", default=[1, 4, 12])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")
    arguments = parser.parse_args()
    columns = [*arguments.workers, None]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for cases in arguments.cases:
            images = links_to(Path(folder) / str(cases), arguments.i, cases)
            taken = [round(seconds(arguments.command, images, workers), 1) for workers in columns]
            print(cases, taken, flush=True)
            rows.append([cases, *taken])
    write_csv_file(arguments.o, ["cases", *(f"{n} and {n}" for n in arguments.workers), "chosen"], rows)


if __name__ == "__main__":
    main()
