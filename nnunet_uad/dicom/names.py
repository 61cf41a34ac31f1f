"""Names that flags choose by, and the libraries that this package needs; importing them loads nothing heavy."""

from __future__ import annotations

import importlib.util

#: Beside imported images: which series of DICOM each of them was made of.
RECORD = "dicom.json"
#: How imported cases are named: by a running number, or by the folder of the study; else by a table.
NUMBERS, FOLDERS = "numbers", "folders"
#: Columns of the table that names cases: one of the first two, and the last.
STUDY_COLUMN, PATIENT_COLUMN, CASE_COLUMN = "study", "patient", "case"


def require_libraries() -> None:
    """Refuse to begin without the libraries of the extra ``dicom``.

    Raises:
        RuntimeError: One is missing; says how to install them.
    """
    missing = [name for name in ("pydicom", "highdicom") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"DICOM needs {' and '.join(missing)}: pip install 'nnunet_uad[dicom]'")
