"""Which images a Dockerfile may name: those of registries that the operator allows.

`FROM oci:/some/where`, `docker-archive:`, `tarball:` and the like would copy what the worker's user
can read into an image, and so would `containers-storage:[vfs@/some/store]`. The policy of
containers-policy.json(5) refuses them, whatever instruction names them.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OPERATORS = Path("/etc/containers/policy.json")

_ANY = [{"type": "insecureAcceptAnything"}]


def write_policy(
    target: Path, stores: Iterable[Path], operators: Path = OPERATORS
) -> None:
    """Write the policy for one build.

    Args:
        target: where to.
        stores: what the build itself makes, and the operator's base images. No other store may be
            named, such as that of the worker's user or of another build.
        operators: the operator's own policy, if there is one.

    Raises:
        ValueError: the operator's policy is no JSON object.
    """
    own: dict[str, Any] = {}
    if operators.exists():
        own = json.loads(operators.read_text())
    transports = own.get("transports", {})
    by_registry = {"": own.get("default", _ANY), **transports.get("docker", {})}
    by_store = {f"[vfs@{store}]": _ANY for store in stores}
    policy = {
        "default": [{"type": "reject"}],
        "transports": {"docker": by_registry, "containers-storage": by_store},
    }
    target.write_text(json.dumps(policy))
