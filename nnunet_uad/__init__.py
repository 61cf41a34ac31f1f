"""nnunet_uad: unsupervised anomaly detection and low-label fine-tuning inside nnU-Net v2."""

__version__ = "0.1.0"
