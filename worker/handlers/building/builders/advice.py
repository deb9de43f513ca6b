"""What helps against the failures of builders whose own words leave an operator alone."""

import re
from collections.abc import Sequence

INSTALL_UIDMAP = "apt-get install --no-install-recommends uidmap"
INSTALL_BUILDAH = "apt-get install --no-install-recommends buildah crun netavark"
INSTALL_SLIRP = "apt-get install --no-install-recommends slirp4netns"
INSTALL_PODMAN = "apt-get install --no-install-recommends podman crun netavark"
ADD_IDS = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
SEARCH = (
    'unqualified-search-registries = ["docker.io"] in /etc/containers/registries.conf'
)

CLOSE_THE_API = (
    "give the API tokens (APPHUB_TOKENS_FILE, also for its workers);"
    " or set APPHUB_BUILD_NETWORK=host, where every repository can be trusted"
)
"""While the API has no tokens, the steps of a stranger's Dockerfile could do with it what they
like."""

ALLOW_NAMESPACES = "--security-opt seccomp=unconfined"
IN_FULL = "docker.io/library/node:22"

_SPEAKER = re.compile(r'^(?:time="|error|warn)', re.IGNORECASE)
"""How lines of the builder itself begin; what the steps of a Dockerfile print is nobody's
complaint."""

_ADVICE = (
    (r"newuidmap", f"builds by an ordinary user need newuidmap: {INSTALL_UIDMAP}"),
    (
        r"no subuid ranges|setting supplemental groups",
        f"builds by an ordinary user need ids of their own: {ADD_IDS}",
    ),
    (
        r"unshare\(CLONE_NEWUSER\): Operation not permitted",
        f"a worker in a container must be allowed to make namespaces: {ALLOW_NAMESPACES}",
    ),
    (
        r'could not find "netavark"',
        "install it: apt-get install --no-install-recommends netavark",
    ),
    (
        r"short-name .* did not resolve|no unqualified-search",
        f"name the image in full, such as {IN_FULL}, or let the operator set {SEARCH}",
    ),
    (
        r"rejected by policy",
        "a Dockerfile may use images of registries and those that the operator provides",
    ),
)


def advice_for(lines: Sequence[str]) -> list[str]:
    """Return what helps against what a builder complained of; empty where nothing is known."""
    spoken_lines = [line for line in lines if _SPEAKER.match(line)]
    spoken = "\n".join(spoken_lines)
    return [advice for pattern, advice in _ADVICE if re.search(pattern, spoken)]
