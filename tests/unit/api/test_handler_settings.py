"""What the operator's variables make of the built-in handlers' settings."""

import json
from pathlib import Path

import pytest

from catalog.handler_settings import (
    BUILD_ENTRY_POINT,
    INGEST_ENTRY_POINT,
    handler_settings,
    local_repositories,
)
from domain.json_values import JsonObject

DATA = Path("/data")

DEFAULTS: JsonObject = {
    "allowLocalPaths": True,
    "allowPrivateRepositories": False,
    "credentials": {},
    "builder": "auto",
    "registry": None,
    "registryAuthFile": None,
    "registryTlsVerify": True,
    "ociDir": "/data/images",
    "baseImages": None,
    "dockerHost": None,
    "network": "own",
}


def credentials(tmp_path: Path, content: object) -> dict[str, str]:
    file = tmp_path / "credentials.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return {"APPHUB_GIT_CREDENTIALS": str(file)}


def test_without_any_variable_all_is_as_usual() -> None:
    settings = handler_settings({}, DATA)
    assert settings[BUILD_ENTRY_POINT] == DEFAULTS
    assert settings[INGEST_ENTRY_POINT] == {
        "allowLocalPaths": True,
        "allowPrivateRepositories": False,
        "credentials": {},
    }


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("APPHUB_BUILDER", "podman", {"builder": "podman"}),
        (
            "APPHUB_REGISTRY",
            "registry.example/apps",
            {"registry": "registry.example/apps", "ociDir": None},
        ),
        ("APPHUB_REGISTRY_AUTH_FILE", "/auth.json", {"registryAuthFile": "/auth.json"}),
        ("APPHUB_REGISTRY_TLS_VERIFY", "false", {"registryTlsVerify": False}),
        ("APPHUB_KEEP_IMAGES", "No", {"ociDir": None}),
        ("APPHUB_BASE_IMAGES", "/bases", {"baseImages": "/bases"}),
        ("APPHUB_LOCAL_REPOSITORIES", "off", {"allowLocalPaths": False}),
        (
            "APPHUB_LOCAL_REPOSITORIES",
            "/srv/git:/home/git",
            {"allowLocalPaths": ["/srv/git", "/home/git"]},
        ),
        ("APPHUB_ALLOW_PRIVATE_REPOSITORIES", "true", {"allowPrivateRepositories": True}),
        ("DOCKER_HOST", "unix:///run/docker.sock", {"dockerHost": "unix:///run/docker.sock"}),
        ("APPHUB_BUILDER", "", {}),
        ("APPHUB_BUILD_NETWORK", "host", {"network": "host"}),
        ("APPHUB_TOKENS_FILE", "/tokens.json", {"network": "host"}),
        ("APPHUB_HOST", "127.0.0.1", {}),
        ("APPHUB_HOST", "0.0.0.0", {"network": "none"}),
        ("APPHUB_CLONE_TIMEOUT_MS", "5000", {"cloneTimeoutMs": 5_000}),
        ("APPHUB_CLONE_MAX_BYTES", "1000000", {"cloneMaxBytes": 1_000_000}),
        ("APPHUB_CLONE_MAX_ENTRIES", " 10 ", {"cloneMaxEntries": 10}),
    ],
)
def test_each_variable_decides_one_thing(name: str, value: str, changed: JsonObject) -> None:
    assert handler_settings({name: value}, DATA)[BUILD_ENTRY_POINT] == {**DEFAULTS, **changed}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPHUB_CLONE_MAX_BYTES", "0"),
        ("APPHUB_CLONE_TIMEOUT_MS", "1m"),
        ("APPHUB_BUILDER", "kaniko"),
        ("APPHUB_BUILD_NETWORK", "bridge"),
        ("APPHUB_KEEP_IMAGES", "maybe"),
        ("APPHUB_LOCAL_REPOSITORIES", "nein"),
        ("APPHUB_LOCAL_REPOSITORIES", "/srv/git:home"),
        ("APPHUB_ALLOW_PRIVATE_REPOSITORIES", "10.0.0.0/8"),
    ],
)
def test_a_value_that_means_nothing_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        handler_settings({name: value}, DATA)


def test_local_repositories_are_one_decision_for_api_and_workers() -> None:
    assert local_repositories({})
    assert not local_repositories({"APPHUB_LOCAL_REPOSITORIES": "false"})


def test_secrets_come_from_variables_and_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    from_file = {"file": str(secret)}
    ssh = {"sshKeyFile": "/keys/id", "knownHostsFile": "/keys/known_hosts"}
    servers = {
        "GitHub.com": {"username": "bot", "password": {"env": "TOKEN"}},
        "git.example:8443": {"username": "bot", "password": from_file, "allowHttp": True},
        "ssh.example": ssh,
    }
    variables = credentials(tmp_path, servers)
    for settings in handler_settings({**variables, "TOKEN": "from a variable"}, DATA).values():
        assert settings["credentials"] == {
            "github.com": {"username": "bot", "password": "from a variable"},
            "git.example:8443": {"username": "bot", "password": "from a file", "allowHttp": True},
            "ssh.example": {"sshKeyFile": "/keys/id", "knownHostsFile": "/keys/known_hosts"},
        }


@pytest.mark.parametrize(
    "content",
    [
        "{",
        [],
        {"github.com": "bot:secret"},
        {"github.com": {"username": "bot", "password": "written down"}},
        {"github.com": {"username": "bot", "password": {"env": "MISSING"}}},
        {"github.com": {"password": {"env": "TOKEN"}}},
    ],
)
def test_a_broken_file_of_credentials_is_named_and_no_secret_told(
    tmp_path: Path, content: object
) -> None:
    file = credentials(tmp_path, content)
    with pytest.raises(ValueError, match=r"credentials\.json must hold") as refused:
        handler_settings({**file, "TOKEN": "hidden"}, DATA)
    assert "hidden" not in str(refused.value)
