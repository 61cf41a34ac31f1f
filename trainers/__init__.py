"""Stage two: nnU-Net trainers that use a pretrained model, one file per way of using it."""
