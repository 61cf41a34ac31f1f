"""Curves of a training in TensorBoard and MLflow, beside nnU-Net's own logger."""
