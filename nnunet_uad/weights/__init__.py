"""Pretrained weights: the record, safe files, where they lie, how they get into a network."""
