"""Names that flags choose by; importing them loads nothing heavy."""

#: Files that are written of a case, in the order in which they are written.
KINDS = ("map", "reconstruction", "residual", "mask", "png")
#: File beside the maps: which model and which score made them.
MAPS_RECORD = "anomaly_maps.json"
#: Threshold of masks: the stored one with this rate of false positives.
DEFAULT_THRESHOLD = "fpr:0.01"
