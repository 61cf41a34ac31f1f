"""Whole volumes through a trained model, with nnU-Net's sliding window; folders of images into folders of maps."""
