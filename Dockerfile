# The service in a container: `docker build --target cpu --build-arg TORCH_INDEX=ADDRESS .`, or `--target cuda` for a graphics card.
# Weights are not in the image: `merc weights get` fetches them once into the volume /weights (see compose.yaml).

FROM python:3.11-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /home/merc merc \
    && install --directory --owner merc --group merc /data /weights /cache
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 \
    MERC_WEIGHTS=/weights MERC_CACHE=/cache
COPY pyproject.toml setup.py README.md LICENSE /src/
COPY src /src/src
WORKDIR /data
EXPOSE 8000
VOLUME ["/data", "/weights", "/cache"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["merc"]
CMD ["serve", "--help"]

# Where no index with CPU builds of torch is given, pip's own brings several gigabytes of CUDA.
FROM base AS cpu
ARG TORCH_INDEX
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0 \
    && pip install '/src[serve,postgres,xlsx,docx]'
USER merc

# The build of torch brings CUDA; the driver is the host's (NVIDIA Container Toolkit).
FROM base AS cuda
RUN pip install torch==2.13.0 \
    && pip install '/src[serve,postgres,xlsx,docx]'
USER merc
