"""Variables of the environment that are no options: what they mean, for the documentation.

`handler_settings.py` reads those of repositories and builds; the others are read by libraries.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """What an operator may set.

    Attributes:
        name: as the environment has it.
        default: what counts where it is left out, in Markdown; empty for nothing.
        meaning: what it does, in Markdown.
    """

    name: str
    default: str
    meaning: str


REPOSITORIES = (
    Variable(
        "APPHUB_LOCAL_REPOSITORIES",
        "`true`",
        "`false`: apps name no absolute paths and `file:` URLs. Do so on a shared service:"
        " every client can have every repository read that the worker can read, whoever owns it. A"
        " local repository may also borrow objects from others on the machine, or be a link to one."
        " Directories, as in `/srv/git:/home/git`: only what lies in them, links followed. The API"
        " reads it, too",
    ),
    Variable(
        "APPHUB_GIT_CREDENTIALS",
        "",
        "a JSON file with passwords and keys by host ([its form](ingestion.md#credentials))",
    ),
    Variable(
        "APPHUB_CLONE_TIMEOUT_MS",
        "`600000`",
        "how long cloning may take",
    ),
    Variable(
        "APPHUB_CLONE_MAX_BYTES",
        "`2000000000`",
        "how much disk a clone may fill",
    ),
    Variable(
        "APPHUB_CLONE_MAX_ENTRIES",
        "`200000`",
        "how many files and directories a clone may have",
    ),
)

BUILDS = (
    Variable("APPHUB_BUILDER", "`auto`", "`auto`, `docker`, `podman` or `buildah`"),
    Variable("APPHUB_REGISTRY", "", "`host[:port][/prefix]` that images are pushed to"),
    Variable(
        "APPHUB_REGISTRY_AUTH_FILE",
        "",
        "credentials for that push, as `docker login` or `podman login` write them",
    ),
    Variable(
        "APPHUB_REGISTRY_TLS_VERIFY",
        "`true`",
        "`false` for a registry without TLS (Podman and Buildah; Docker's daemon has its own list)",
    ),
    Variable(
        "APPHUB_KEEP_IMAGES",
        "`true` without a registry, else `false`",
        "whether `images` in the data directory is an OCI layout that gets every image",
    ),
    Variable(
        "APPHUB_BASE_IMAGES",
        "",
        "the store of [base images](building.md#base-images) (Podman and Buildah)",
    ),
    Variable(
        "APPHUB_BUILD_NETWORK",
        "`host` where there are tokens, else `own`",
        "`own` or `host`: which network builds have ([isolation](building.md#isolation))",
    ),
    Variable(
        "DOCKER_HOST",
        "Docker's own",
        "the address of Docker's daemon, such as `unix:///run/user/1000/docker.sock`",
    ),
)

OF_LIBRARIES = (
    Variable(
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, …",
        "",
        "how the store of `--logs-store s3://…` is reached, as for every S3 client",
    ),
    Variable(
        "PGPASSFILE, PGSSLKEY, PGSSLMODE, …",
        "",
        "what `--database-url` leaves out, as for every PostgreSQL client",
    ),
    Variable(
        "XDG_DATA_HOME",
        "`~/.local/share`",
        "where the data directory of an ordinary user lies, as `apphub-jobs` in it",
    ),
    Variable(
        "TMPDIR", "`/tmp`", "where the working directories of attempts and builds lie"
    ),
    Variable("NO_COLOR", "", "anything: no colours on the terminal"),
)
