"""Which images a Dockerfile may name: those of registries that the operator allows.

`FROM oci:/some/where`, `docker-archive:`, `tarball:` and the like would copy what the worker's user
can read into an image. The policy of containers-policy.json(5) refuses them, whatever instruction
names them.
"""

import json
from pathlib import Path
from typing import Any

OPERATORS = Path("/etc/containers/policy.json")

_ANY = [{"type": "insecureAcceptAnything"}]


def write_policy(target: Path, operators: Path = OPERATORS) -> None:
    """Write the policy for one build.

    Raises:
        ValueError: the operator's policy is no JSON object.
    """
    own: dict[str, Any] = {}
    if operators.exists():
        own = json.loads(operators.read_text())
    transports = own.get("transports", {})
    by_registry = {"": own.get("default", _ANY), **transports.get("docker", {})}
    policy = {
        "default": [{"type": "reject"}],
        # The second is what the build itself makes, and the operator's base images.
        "transports": {"docker": by_registry, "containers-storage": {"": _ANY}},
    }
    target.write_text(json.dumps(policy))
