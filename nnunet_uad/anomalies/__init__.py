"""Synthetic lesions with their masks, on 2D and 3D patches, as transforms for nnU-Net's data loading."""
