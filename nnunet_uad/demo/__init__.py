"""The ten-minute story: pretrain, fine-tune with one labelled case, compare with training from scratch."""
