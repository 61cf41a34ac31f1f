"""Configurations added to nnU-Net's plans."""
