# Training with Detectron2, whose operators are compiled for the GPU.
#
#   docker build --file docker/train.Dockerfile --tag sepc-train .
#   docker run --rm --gpus all --shm-size 8g --volume "$PWD/datasets:/sepc/datasets" \
#       --volume "$PWD/output:/sepc/output" sepc-train \
#       --config-file configs/COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py --num-gpus 4
#
# CUDA is that of the torch in constraints.txt, as Detectron2 is compiled against both.
FROM nvidia/cuda:13.0.2-cudnn-devel-ubuntu24.04
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git make python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /sepc
COPY . .
# No GPU is seen while an image is built: FORCE_CUDA compiles for those named, from Turing on.
ENV FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9;9.0;10.0+PTX"
# `make env` goes on where Detectron2 can't be compiled; an image for training must not.
RUN make env && .venv/bin/python -c "from detectron2 import _C"
ENV PATH=/sepc/.venv/bin:$PATH
ENTRYPOINT ["python", "train_net.py"]
