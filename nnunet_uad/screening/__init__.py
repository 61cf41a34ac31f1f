"""Known and unknown in one answer: what a supervised model marks, and what is anomalous beside it."""
