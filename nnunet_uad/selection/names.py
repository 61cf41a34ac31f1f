"""Names, defaults and bounds that flags choose by; importing them loads nothing heavy."""

from nnunet_uad.common.bounds import Bounds

#: Beside the chosen cases: the list, the record of how it was made, the description with an ignore label.
TABLE, RECORD, DATASET_FILE = "next.csv", "next.json", "dataset.json"
#: Folders below the output: label templates, pictures, what is known of every case.
LABELS, MONTAGES, CASES = "labels", "montages", "cases"
#: Folder that is written into unless another is named.
DEFAULT_OUTPUT = "next"
#: How many cases or slices are chosen.
COUNT, DEFAULT_COUNT = Bounds(1, 10_000), 5
#: How much an unusual scan counts for, and one that the folds do not agree on: 0 nothing, 1 up to twice as much.
WEIGHT, DEFAULT_WEIGHT = Bounds(0, 10), 1.0
