# nnU-Net, nnunet_uad and their variables: docker build -t nnunet-uad . (docs/containers.md)
FROM debian:bookworm-slim

RUN --mount=type=bind,target=/mnt sh /mnt/containers/install.sh /mnt

# Any user may run it (--user): what caches is written where everybody may. A user without a name has one in USER.
ENV PATH=/opt/nnunet_uad/bin:$PATH \
    nnUNet_raw=/data/raw \
    nnUNet_preprocessed=/data/preprocessed \
    nnUNet_results=/data/results \
    nnUNet_extTrainer=/opt/nnunet_uad/lib/python3.11/site-packages/nnunet_uad/plugin \
    HOME=/tmp \
    USER=nnunet

WORKDIR /work
CMD ["nnunet_uad", "--help"]
