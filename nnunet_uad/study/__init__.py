"""Low-label studies: one file says what is compared, a graph of nnU-Net commands answers."""
