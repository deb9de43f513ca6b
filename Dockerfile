# The service: `make image` builds the wheels and this. Its command says what a container is: `up` (the default, with a
# private PostgreSQL in the volume), `serve`, `worker`, `migrate` … It does not listen without APPHUB_TOKENS_FILE.
# Only /data and /tmp are written to, so the root file system may be read-only. With a database of your own any user may run it.
FROM docker.io/library/python:3.13-slim AS base

FROM base AS build
COPY requirements/runtime.txt dist/*.whl /build/
RUN python -m venv /opt/apphub-jobs \
    && /opt/apphub-jobs/bin/pip install --no-cache-dir --require-hashes -r /build/runtime.txt \
    && /opt/apphub-jobs/bin/pip install --no-cache-dir --no-deps /build/*.whl

FROM base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home apphub \
    && install -d -m 700 -o apphub -g apphub /data
COPY --from=build /opt/apphub-jobs /opt/apphub-jobs
COPY dist/apphub_jobs-*.whl /opt/apphub-jobs/wheels/
ENV PATH=/opt/apphub-jobs/bin:$PATH PYTHONUNBUFFERED=1 APPHUB_DATA_DIR=/data
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 4000
HEALTHCHECK --start-period=90s --interval=10s --timeout=5s CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:4000/ready', timeout=4)"]
ENTRYPOINT ["apphub-jobs"]
CMD ["up", "--host", "0.0.0.0"]
