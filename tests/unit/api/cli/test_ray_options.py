"""What a worker can be told of a cluster."""

from pathlib import Path
from typing import Any

import pytest

from cli.start.worker import RayOptions
from worker.executors.ray import executor
from worker.executors.ray.driver import build_ray_options
from worker.executors.ray.executor import RayCluster


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray seem to be installed."""
    monkeypatch.setattr(executor, "find_spec", lambda _: object())


def test_without_an_address_there_is_no_cluster() -> None:
    assert RayOptions().cluster() is None


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'apphub-jobs-server\[ray\]'"):
        RayOptions("10.0.0.5:6379").cluster()


@pytest.mark.usefixtures("installed")
def test_what_ray_brings_to_the_nodes_stands_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "env.json"
    file.write_text('{"working_dir": "handlers"}')
    cluster = RayOptions("10.0.0.5:6379", file).cluster()
    assert cluster == RayCluster("10.0.0.5:6379", {"working_dir": "handlers"})


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "env.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"env\.json must hold"):
        RayOptions("10.0.0.5:6379", file).cluster()


def test_a_task_asks_for_what_its_job_does() -> None:
    task = {
        "definition": {"resources": {"cpus": 0.5, "gpus": 1, "memoryMb": 512}},
        "memory_mb": 512,
        "worker_labels": {"zone": "eu", "ray-fpga": "2"},
    }
    assert build_ray_options(task) == {
        "num_cpus": 0.5,
        "num_gpus": 1,
        "memory": 536_870_912,
        "resources": {"fpga": 2.0},
        "max_retries": 0,
        "num_returns": "streaming",
    }


def test_a_job_that_says_nothing_takes_a_processor() -> None:
    task: dict[str, Any] = {"definition": {}, "memory_mb": None, "worker_labels": {}}
    assert build_ray_options(task)["num_cpus"] == 1
