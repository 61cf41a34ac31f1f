"""Names of files and variables of pretrained weights; importing them loads nothing heavy."""

FILE_NAME = "pretrained.safetensors"
WEIGHTS_VARIABLE = "nnUNet_uad_pretrained"
RESTORER_VARIABLE = "nnUNet_uad_restorer"
