"""Metrics: how well images are reconstructed."""
