"""DICOM series to nnU-Net's images, and maps and masks back to DICOM beside their series."""
