"""A cluster of Ray with two nodes on this machine, each with a custom resource of its own name.

Its argument names the second one; where that is empty, there is none. It prints its address.
Standard input says `add NAME` and `kill NAME`, each of which is answered; its end ends the cluster.
"""

import os
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

CPUS = 2
STORE_BYTES = 80 * 1_048_576
TRIES = 3


def main() -> None:
    """Run a cluster until nobody needs it."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # Its sockets lie there, and their paths must be short.
    directory = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    # Beside other clusters: the file that names the current one lies there, too.
    os.environ["RAY_TMPDIR"] = directory
    (Path(directory) / "ray").mkdir()  # Ray expects it there, and does not make it.
    utils: Any = import_module("ray.cluster_utils")
    head = {
        **_node("first"),
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,
        "temp_dir": directory,
    }
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    nodes = {name: _added(cluster, name, directory) for name in sys.argv[1:] if name}
    print(cluster.address, file=answers)
    for line in sys.stdin:
        word, name = line.split()
        if word == "add":
            nodes[name] = _added(cluster, name, directory)
        else:
            cluster.remove_node(nodes.pop(name), allow_graceful=False)
        print(line.strip(), file=answers)
    cluster.shutdown()
    shutil.rmtree(directory, ignore_errors=True)


def _added(cluster: Any, name: str, directory: str) -> Any:
    """Return a node that is there: on a busy machine the first may not be in time."""
    for _ in range(TRIES - 1):
        try:
            return cluster.add_node(**_node(name), temp_dir=directory)
        except Exception as error:  # noqa: BLE001 - Ray raises nothing more special
            sys.stderr.write(f"a node of Ray did not come, trying again: {error}\n")
    return cluster.add_node(**_node(name), temp_dir=directory)


def _node(name: str) -> dict[str, Any]:
    return {"num_cpus": CPUS, "resources": {name: 1}, "object_store_memory": STORE_BYTES}


if __name__ == "__main__":
    main()
