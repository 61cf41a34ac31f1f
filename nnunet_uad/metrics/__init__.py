"""Metrics: how well images are reconstructed, how well anomaly maps find lesions."""
