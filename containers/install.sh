#!/bin/sh
# What the Dockerfile and the Apptainer recipe run as root in a bare Debian 12: sh install.sh CHECKOUT
set -eu

home=/opt/nnunet_uad
apt-get update
# git tells the version. The compilers are for torch.compile, by which nnU-Net trains on GPUs.
apt-get install --yes --no-install-recommends ca-certificates g++ git libc6-dev python3-dev python3-venv

# The checkout may be read-only and somebody else's, where git would refuse to look.
cp -r "$1" /tmp/checkout
python3 -m venv "$home"
"$home/bin/pip" install --no-cache-dir --constraint /tmp/checkout/constraints.txt "/tmp/checkout[dicom,hub,robustness,study]"
rm -rf /tmp/checkout
apt-get purge --yes --auto-remove git
rm -rf /var/lib/apt/lists/*

# The variable of both recipes names this folder.
env -u nnUNet_extTrainer "$home/bin/nnunet_uad" env | grep -F "$home/lib/python3.11/site-packages/nnunet_uad/plugin"
