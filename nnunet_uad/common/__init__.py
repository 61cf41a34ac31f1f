"""The ground floor: files, names, settings, nnU-Net's folders; nothing here imports PyTorch."""
