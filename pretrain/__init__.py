"""Stage one: models of normal anatomy as nnU-Net trainers, one file per method."""
