"""Names of imported cases: numbers, so that nothing of a patient gets into files, unless others are asked for."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_uad.common.slugs import slug
from nnunet_uad.dicom.names import CASE_COLUMN, FOLDERS, NUMBERS, PATIENT_COLUMN, STUDY_COLUMN
from nnunet_uad.dicom.series import Study

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FEWEST_LETTERS = 3
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})


def case_names(studies: Sequence[Study], names: str, known: Mapping[str, str]) -> dict[str, str]:
    """StudyInstanceUID → name of the case.

    Args:
        studies: Studies that are imported.
        names: Way of naming: ``numbers``, ``folders``, or the path of a table.
        known: StudyInstanceUID → name, of earlier imports into the same folder; numbers go on behind them.

    Raises:
        ValueError: Two studies would get one name, or the table does not name a study.
        FileNotFoundError: There is no such table.
    """
    if names == NUMBERS:
        return _numbers(studies, known)
    made = {s.uid: slug("_".join(s.folder.parts)) for s in studies} if names == FOLDERS else _of_table(studies, names)
    if renamed := [(known[uid], case) for uid, case in made.items() if known.get(uid, case) != case]:
        earlier, now = renamed[0]
        raise ValueError(
            f"{len(renamed)} of these studies were imported there under another name, as {earlier}, now {now}: one "
            "scan would be two cases. Name them as before, or choose another -o."
        )
    taken = {case: uid for uid, case in known.items()}
    twice = [case for case, count in Counter(made.values()).items() if count > 1]
    twice += [case for uid, case in made.items() if taken.get(case, uid) != uid]
    if twice:
        raise ValueError(
            f"Several studies would be called {', '.join(sorted(set(twice))[:5])}. Name them by --names {NUMBERS}, or "
            f"by a table with the columns {STUDY_COLUMN} and {CASE_COLUMN}."
        )
    return made


def names_patient(text: str, studies: Sequence[Study]) -> bool:
    """Whether a text holds a part of a patient's name, or an ID.

    Args:
        text: Path or name.
        studies: Studies of patients.
    """
    texts = _spellings(text)
    words = {word for spelled in texts for word in re.split(r"[\W_]+", spelled)}
    values = {spelled for study in studies for value in study.patient for spelled in _spellings(value)}
    parts = {part for value in values for part in re.split(r"[\s^=,_/\\-]+", value)} | values
    # What is as short as "li" is in many a word.
    short, long = ({p for p in parts if p and (len(p) >= _FEWEST_LETTERS) == is_long} for is_long in (False, True))
    return bool(short & words) or any(part in spelled for part in long for spelled in texts)


def _spellings(text: str) -> set[str]:
    """A text in small letters: as it is, without accents, and with ä, ö, ü, ø, å, ß as folders spell them."""
    small = text.casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", small) if not unicodedata.combining(c))
    return {small, bare, small.translate(_UMLAUTS)}


def _numbers(studies: Sequence[Study], known: Mapping[str, str]) -> dict[str, str]:
    made = {study.uid: known[study.uid] for study in studies if study.uid in known}
    taken, number = set(known.values()), 0
    for study in studies:
        while study.uid not in made:
            number += 1
            if (name := f"case_{number:03d}") not in taken:
                made[study.uid] = name
    return made


def _of_table(studies: Sequence[Study], names: str) -> dict[str, str]:
    path = Path(names)
    if not path.is_file():
        raise FileNotFoundError(
            f"--names expects {NUMBERS}, {FOLDERS} or a CSV file with the columns {STUDY_COLUMN} (or {PATIENT_COLUMN}) "
            f"and {CASE_COLUMN}, found {names!r}, which is no file."
        )
    with path.open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    columns = list(rows[0]) if rows else []
    key = next((c for c in (STUDY_COLUMN, PATIENT_COLUMN) if c in columns), "")
    if not key or CASE_COLUMN not in columns:
        raise ValueError(
            f"{path} expects the columns {STUDY_COLUMN} (StudyInstanceUID) or {PATIENT_COLUMN} (PatientID), and "
            f"{CASE_COLUMN}; found {', '.join(map(str, columns)) or 'no row'}."
        )
    table = {(row[key] or "").strip(): (row[CASE_COLUMN] or "").strip() for row in rows}
    made = {s.uid: table.get(s.uid if key == STUDY_COLUMN else s.patient[0], "") for s in studies}
    if wrong := [study for study in studies if not _NAME.fullmatch(made[study.uid])]:
        raise ValueError(
            f"{path} expects a name (letters, digits, - _ .) for every {key}; {len(wrong)} of {len(studies)} have none "
            f"or another, as the study in {wrong[0].folder}."
        )
    return made
