# The service in a container. Give it DATABASE_URL, or a volume at /data for the private PostgreSQL,
# and a file of tokens as APPHUB_TOKENS_FILE: it does not start without, for others can reach it.
# (APPHUB_INSECURE=1 insists, for a network of your own.)
FROM python:3.13-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-build-isolation --no-deps ./apphub_jobs . \
    && useradd --create-home apphub \
    && install -d -o apphub /data

USER apphub
VOLUME /data
EXPOSE 4000
CMD ["apphub-jobs", "up", "--host", "0.0.0.0", "--data-dir", "/data"]
