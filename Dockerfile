# Two images: `server` answers photos, `worker` runs the flows; docs/containers.md says how.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock .
# Everything that the lock names, checked by its hashes; tools for developers are among it.
RUN pip wheel --quiet --use-pep517 --no-deps --require-hashes --requirement requirements.lock --wheel-dir /wheels
COPY pyproject.toml README.md LICENSE ./
ARG EXTRAS=access,postgres,s3
# Of these wheels only what facesent needs to run. It is empty here, so that this layer lasts until the lock changes.
# hadolint ignore=DL3013
RUN python -m venv --without-pip /opt/venv \
    && mkdir facesent presets \
    && touch facesent/__init__.py presets/quick.yaml \
    && pip --python /opt/venv/bin/python install --quiet --no-index --find-links /wheels ".[${EXTRAS}]" \
    && pip --python /opt/venv/bin/python uninstall --quiet --yes facesent
COPY facesent facesent
COPY presets presets
RUN pip wheel --quiet --no-deps --no-index --find-links /wheels --wheel-dir /facesent .

FROM python:${PYTHON} AS base
# A new volume at /project begins with its owner.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp facesent \
    && install --directory --owner facesent --group facesent /project
COPY --from=packages /opt/venv /opt/venv
RUN --mount=type=bind,from=packages,source=/facesent,target=/facesent \
    pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-deps --no-index /facesent/*.whl
# The root may be read-only: what libraries want to write into a home goes to /tmp.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DO_NOT_TRACK=1 HOME=/tmp \
    DVC_SITE_CACHE_DIR=/tmp/dvc KERAS_HOME=/tmp/keras
WORKDIR /project

FROM base AS worker
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
# The committed state, without the address that it was cloned from, which may hold a password.
RUN --mount=type=bind,source=.git,target=/git \
    git clone --quiet --bare file:///git /repository \
    && git -C /repository remote remove origin \
    && chown -R facesent:facesent /repository
# Commands use the code of the project that they run in.
ENV PYTHONPATH=/project PREFECT_WORKER_WEBSERVER_HOST=127.0.0.1 PREFECT_WORKER_WEBSERVER_PORT=8080
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health')"]
CMD ["prefect", "worker", "start", "--pool", "facesent", "--type", "process", "--limit", "1", "--with-healthcheck"]

FROM base AS server
COPY params.yaml dvc.yaml ./
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]
CMD ["facesent", "serve", "--host", "0.0.0.0", "--port", "8000"]
