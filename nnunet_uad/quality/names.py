"""Names and defaults that flags choose by; importing them loads nothing heavy."""

from nnunet_uad.common.bounds import Bounds

#: Share of scans like the training's that may be called unfit.
DEFAULT_RATE = 0.05
RATE = Bounds(0, 1, without_low=True, without_high=True)
#: What a check finds, and what becomes of a scan: the worst of its checks.
OK, UNUSUAL, UNFIT = "ok", "unusual", "unfit"
VERDICTS = (OK, UNUSUAL, UNFIT)
#: Exit status of the command where at least one scan is unfit.
UNFIT_STATUS = 3
#: In the output: the record of how it was made, the table, the page, the maps and the segmentations of each fold.
RECORD, TABLE, PAGE = "check.json", "checks.csv", "index.html"
MAPS_FOLDER, SEGMENTATIONS_FOLDER = "maps", "segmentations"
#: In a dataset's folder in nnUNet_preprocessed: the reference of the training cases, and profiles while it is made.
REFERENCE_FILE, PROFILES_FOLDER = "scan_reference.safetensors", "scan_profiles"
