"""What a frozen restorer does with an image, for both stages: rebuilt from a description, run inside a network."""
