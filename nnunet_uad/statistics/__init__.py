"""Means with intervals, paired comparisons, labels saved and forecasts, of repeated trainings on the same cases."""
