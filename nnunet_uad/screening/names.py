"""Names and defaults that flags choose by; importing them loads nothing heavy."""

from nnunet_uad.common.bounds import Bounds

#: Files that are written of a case, in the order in which they are written.
KINDS = ("segmentation", "unknown", "map", "combined", "png")
#: Beside the cases: the record of models and promise, the calibration, all findings, all cases.
RECORD, CALIBRATION = "screen.json", "calibration.json"
FINDINGS, CASES = "findings.csv", "cases.csv"
#: Share of a scan's healthy voxels that are called unknown, on average.
DEFAULT_RATE = 0.01
#: Distance around the segmentation that it explains, mm.
DEFAULT_MARGIN_MM = 5.0
#: Volume below which unknown findings are dropped, mm³.
DEFAULT_MIN_MM3 = 10.0
#: What flags may say.
RATE = Bounds(0, 1, without_low=True, without_high=True)
MARGIN, VOLUME = Bounds(0, 1000), Bounds(0, 1e9)
