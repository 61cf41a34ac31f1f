"""Which unlabelled cases or slices to label next: what covers the others, what looks unusual, what is unsure."""
