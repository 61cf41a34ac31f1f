"""Means with intervals, paired comparisons and the label-saving factor of repeated trainings on the same cases."""
