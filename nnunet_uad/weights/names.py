"""Names of files and variables by which a training finds what it starts from; importing them loads nothing heavy."""

FILE_NAME = "pretrained.safetensors"
WEIGHTS_VARIABLE = "nnUNet_uad_pretrained"
RESTORER_VARIABLE = "nnUNet_uad_restorer"
#: ``DATASET/FOLD``: the fold's training cases may be used without their labels.
POOL_VARIABLE = "nnUNet_uad_pool"
#: Summary of a validation, in its folder, as nnU-Net names it.
SUMMARY_FILE = "summary.json"
