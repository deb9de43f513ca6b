"""Images, compose file and manifests: what they name exists, commands take what they give."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from apphub_jobs.typed.job import milliseconds
from cli.main import complete
from cli.start.options import STOP_GRACE_S
from tests import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILES = {
    "apphub-jobs-server": ROOT / "Dockerfile",
    "apphub-jobs-worker": DEPLOY / "worker.Dockerfile",
}
CREATED_SECRET = re.compile(r"create secret generic (\S+)(.*)")
KEY = re.compile(r"--from-literal=([\w-]+)=|--from-file=\S+/([\w.-]+)")

Document = dict[str, Any]


def _documents() -> list[Document]:
    files = [path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"]
    return [document for path in sorted(files) for document in yaml.safe_load_all(path.read_text())]


DOCUMENTS = _documents()
TEMPLATES = {
    document["metadata"]["name"]: document["spec"].get("jobTemplate", document)["spec"]["template"]
    for document in DOCUMENTS
    if document["kind"] in {"Deployment", "Job", "CronJob"}
}
MONITORS = [document for document in DOCUMENTS if document["kind"] == "PodMonitor"]
COMPOSE: Document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUSTOMIZATION: Document = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())


def variables_taken_by(arguments: list[str]) -> set[str]:
    """Parse `apphub-jobs` with these arguments; return the variables that its command reads."""
    command: Any = get_command(complete())
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("", rest)
    named = [one.envvar or [] for one in command.params]
    return {name for names in named for name in ([names] if isinstance(names, str) else names)}


def _is_ours(variable: str) -> bool:
    return variable == "DATABASE_URL" or variable.startswith("APPHUB_")


def _commands() -> Iterator[tuple[str, list[str], set[str]]]:
    for image, path in DOCKERFILES.items():
        text = path.read_text()
        [default] = re.findall(r"^CMD (\[.*\])", text, re.MULTILINE)
        yield image, json.loads(default), set(re.findall(r"\b(APPHUB_\w+)=", text))
    for name, service in COMPOSE["services"].items():
        if service["image"] in DOCKERFILES:
            yield f"compose {name}", service["command"], set(service["environment"])
    for name, template in TEMPLATES.items():
        for container in template["spec"]["containers"]:
            yield name, container["args"], {one["name"] for one in container["env"]}
    [ray] = [document for document in DOCUMENTS if document["kind"] == "RayCluster"]
    for group in ray["spec"]["workerGroupSpecs"]:
        for container in group["template"]["spec"]["containers"]:
            if "command" in container:
                env = {one["name"] for one in container["env"]}
                yield "kuberay", container["command"][1:], env


@pytest.mark.parametrize("case", [pytest.param(case, id=case[0]) for case in _commands()])
def test_commands_take_the_options_and_variables_that_they_are_given(
    case: tuple[str, list[str], set[str]],
) -> None:
    name, arguments, variables = case
    assert set(filter(_is_ours, variables)) <= variables_taken_by(arguments), name


def test_what_all_pods_share_is_taken_by_apis_and_workers() -> None:
    [shared] = KUSTOMIZATION["configMapGenerator"]
    names = {literal.split("=", 1)[0] for literal in shared["literals"]}
    for command in ("serve", "worker"):
        assert set(filter(_is_ours, names)) <= variables_taken_by([command])


def test_options_that_do_not_exist_are_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        variables_taken_by(["worker", "--no-such-option"])


def test_selectors_match_the_labels_of_one_template_and_ports_are_its_own() -> None:
    for document in DOCUMENTS:
        for selector, ports in _selected(document):
            [template] = [
                template
                for template in TEMPLATES.values()
                if selector.items() <= template["metadata"]["labels"].items()
            ]
            assert ports <= _ports(template), document["metadata"]["name"]
    for template in TEMPLATES.values():
        for container in template["spec"]["containers"]:
            probes = [probe for key, probe in container.items() if key.endswith("Probe")]
            assert {probe["httpGet"]["port"] for probe in probes} <= _ports(template)


def _selected(document: Document) -> Iterator[tuple[dict[str, str], set[str]]]:
    """Yield the labels that a document selects pods by, with the ports by name."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Service":
            yield spec["selector"], {port["targetPort"] for port in spec["ports"]}
        case "NetworkPolicy":
            ports = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
            yield spec["podSelector"]["matchLabels"], ports
        case "PodMonitor":
            ports = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
            yield spec["selector"]["matchLabels"], ports
        case "Deployment" | "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"], set()


def _ports(template: Document) -> set[str]:
    containers = template["spec"]["containers"]
    return {port["name"] for container in containers for port in container.get("ports", [])}


def test_secrets_are_those_that_the_docs_create_with_their_keys() -> None:
    created = {
        name: {literal or file for literal, file in KEY.findall(rest)}
        for name, rest in CREATED_SECRET.findall((ROOT / "docs/deploying.md").read_text())
    }
    created["apphub-jobs-database"].add("owner-url")
    for name, key in _named_secrets():
        assert key is None or key in created[name], (name, key)
    assert {name for name, _ in _named_secrets()} == set(created)


def _named_secrets() -> Iterator[tuple[str, str | None]]:
    for template in TEMPLATES.values():
        spec = template["spec"]
        for container in spec["containers"]:
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    yield source["secretRef"]["name"], None
            for variable in container["env"]:
                if "valueFrom" in variable:
                    reference = variable["valueFrom"]["secretKeyRef"]
                    yield reference["name"], reference["key"]
                elif variable["value"].startswith("/etc/apphub-jobs/"):
                    yield "apphub-jobs-files", Path(variable["value"]).name
        for volume in spec["volumes"]:
            for item in volume.get("secret", {}).get("items", []):
                yield volume["secret"]["secretName"], item["key"]
    for endpoint in (one for monitor in MONITORS for one in monitor["spec"]["podMetricsEndpoints"]):
        for credentials in endpoint.get("authorization", {}).values():
            yield credentials["name"], credentials["key"]


def test_pods_run_as_restricted_as_the_namespace_demands_and_mount_their_volumes() -> None:
    for name, template in TEMPLATES.items():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["automountServiceAccountToken"] is False
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts.keys() == volumes
            assert {"/data", "/tmp"} <= set(mounts.values())


def test_whoever_stops_a_worker_gives_it_half_a_minute_more_than_its_runs() -> None:
    pod = TEMPLATES["apphub-jobs-worker"]["spec"]
    [container] = pod["containers"]
    program, *hook = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "apphub-jobs"
    assert "DATABASE_URL" in variables_taken_by(hook)
    draining = milliseconds(hook[hook.index("--wait-for") + 1]) / 1_000
    assert pod["terminationGracePeriodSeconds"] >= draining + STOP_GRACE_S + 30

    service = COMPOSE["services"]["worker"]
    assert float(service["stop_grace_period"].removesuffix("s")) >= STOP_GRACE_S + 30
    arguments = [*container["args"], *service["command"]]
    assert "--stop-grace-s" not in arguments  # It is as assumed.


def test_the_kustomization_names_files_and_images_that_there_are() -> None:
    assert all((KUBERNETES / name).exists() for name in KUSTOMIZATION["resources"])
    images = {image["name"] for image in KUSTOMIZATION["images"]}
    assert images == set(DOCKERFILES)
    used = {c["image"] for t in TEMPLATES.values() for c in t["spec"]["containers"]}
    assert used <= images


def test_workers_get_neither_tokens_nor_the_key_of_the_seals() -> None:
    secrets = COMPOSE["services"]["worker"]["secrets"]
    [files] = [
        volume["secret"]
        for volume in TEMPLATES["apphub-jobs-worker"]["spec"]["volumes"]
        if "secret" in volume
    ]
    assert secrets == ["subjects.key"]
    assert [item["key"] for item in files["items"]] == ["subjects.key"]


def test_compose_mounts_files_that_there_are_or_that_make_secrets_makes() -> None:
    made = set(re.findall(r"secrets/([\w.]+\w)", (DEPLOY / "make-secrets").read_text()))
    assert {Path(one["file"]).name for one in COMPOSE["secrets"].values()} == made
    for name, service in COMPOSE["services"].items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known: Mapping[str, object] = COMPOSE["volumes"]
            assert source in known or (DEPLOY / source).exists(), (name, source)


def test_workers_are_scaled_by_runs_due_and_running_of_what_their_image_offers() -> None:
    [scaled] = [document for document in DOCUMENTS if document["kind"] == "ScaledObject"]
    template = TEMPLATES[scaled["spec"]["scaleTargetRef"]["name"]]
    [container] = template["spec"]["containers"]
    [trigger] = scaled["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert "apphub_runs_(due|running)" in query
    assert "oldest" not in query
    [entry_point] = re.findall(r'entry_point=~"([\w-]+)"', query)
    assert f'@job("{entry_point}"' in (DEPLOY / "worker/jobs.py").read_text()
    slots = container["args"][container["args"].index("--slots") + 1]
    assert trigger["metadata"]["threshold"] == slots
