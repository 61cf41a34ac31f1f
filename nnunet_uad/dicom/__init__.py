"""DICOM series to nnU-Net's images, and maps and masks back to DICOM beside the series that they were made of."""
