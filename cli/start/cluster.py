"""The options of a worker whose attempts run on a cluster."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.executors.ray.executor import RayCluster, RayUnavailableError, require_ray


@dataclass(frozen=True)
class RayOptions:
    """The Ray cluster on which attempts run, if any."""

    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_RAY_ADDRESS",
            metavar="ADDRESS",
            help="Ray cluster on which attempts run; `local`: one on this host, for trials.",
        ),
    ] = None
    ray_runtime_env: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_RAY_RUNTIME_ENV",
            help='JSON file with Ray\'s runtime environment, such as {"working_dir": …}.',
        ),
    ] = None

    def cluster(self) -> RayCluster | None:
        """Return the cluster on which attempts run; None for this machine.

        Raises:
            OSError: the file cannot be read.
            ValueError: Ray is not installed, or the file holds no JSON object.
        """
        if self.ray_address is None:
            return None
        try:
            require_ray()
        except RayUnavailableError as error:
            raise ValueError(str(error)) from None
        if self.ray_runtime_env is None:
            return RayCluster(self.ray_address)
        return RayCluster(self.ray_address, _runtime_env(self.ray_runtime_env))


def _runtime_env(path: Path) -> Mapping[str, Any]:
    try:
        runtime_env = json.loads(path.read_text())
    except ValueError as error:
        msg = f"{path} must hold JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(runtime_env, dict):
        msg = f'{path} must hold an object, such as {{"working_dir": "handlers"}}'
        raise ValueError(msg)  # noqa: TRY004 - what an operator wrote, not what a caller gave
    return runtime_env
