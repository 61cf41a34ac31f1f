"""Files against labels: folders of anomaly maps, segmented cases."""
