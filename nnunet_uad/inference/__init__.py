"""Whole volumes through a restorer, with nnU-Net's sliding window."""
