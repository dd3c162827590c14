# Detection with an exported ONNX file: numpy, Pillow, ONNX Runtime and OpenCV, no torch.
#
#   docker build --file docker/serve.Dockerfile --tag sepc-serve .
#   docker run --rm --volume "$PWD:/data" sepc-serve model.onnx image.jpg --draw found.jpg
#
# tools/demo.py is in it as well, for folders and videos: --entrypoint python, /sepc/tools/demo.py.
FROM python:3.11-slim-bookworm
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 PYTHONPATH=/sepc/projects/SEPC
WORKDIR /sepc
COPY constraints.txt ./
RUN pip install --constraint constraints.txt numpy pillow onnxruntime opencv-python-headless tqdm
COPY projects/SEPC projects/SEPC
COPY examples examples
COPY tools tools
WORKDIR /data
ENTRYPOINT ["python", "/sepc/examples/serve_onnx.py"]
