"""How segmentation suffers from image artefacts: corrupted images, predictions, mean corruption error."""
