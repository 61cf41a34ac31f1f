"""Is a scan fit for the model? Numbers of a scan beside those of the training cases, with a known false-alarm rate."""
