"""What a clean patch suffers before it is reconstructed: batched, on the device, in 2D and 3D."""
