"""From an image and its reconstruction to an anomaly map in the original geometry."""
