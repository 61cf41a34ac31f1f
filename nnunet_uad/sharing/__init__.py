"""Weights for others: what is said of them, where they are put, how they are fetched."""
