"""The ten-minute story: learn what is healthy, find lesions without labels, fine-tune with one labelled case."""
