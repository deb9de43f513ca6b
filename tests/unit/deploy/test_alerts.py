"""Alert rules and the dashboard name metrics that there are; each alert is played and explained."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ROOT

PROMETHEUS = ROOT / "deploy/prometheus"
RULES = PROMETHEUS / "alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/apphub-jobs.json"
RUNBOOKS = ROOT / "docs/alerts.md"
METRICS = ROOT / "docs/reference/metrics.md"

NAME = re.compile(r"\bapphub_[a-z_]+")
OF_HISTOGRAMS = re.compile(r"_(bucket|count|sum)$")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    """Return what the dashboard asks, with values for its variables."""
    targets = [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    ]
    return [
        query.replace("$__rate_interval", "5m").replace("$definition", ".*") for query in targets
    ]


def names_in(text: str) -> set[str]:
    return {OF_HISTOGRAMS.sub("", name) for name in NAME.findall(text)}


@pytest.mark.parametrize("file", [RULES, PROMETHEUS / "alerts_test.yml", DASHBOARD, RUNBOOKS])
def test_every_metric_that_is_named_is_on_the_metrics_page(file: Path) -> None:
    documented = set(re.findall(r"^\| `(apphub_\w+)` \|", METRICS.read_text(), re.MULTILINE))
    named = names_in(file.read_text())
    assert named
    assert named <= documented


def test_rules_and_dashboard_select_by_labels_that_there_are() -> None:
    rows = re.findall(r"^\| `(apphub_\w+)` \|([^|]*)\|", METRICS.read_text(), re.MULTILINE)
    labels = {name: {*re.findall(r"`(\w+)`", named)} for name, named in rows}
    [example] = re.findall(r"```yaml\n(.*?)```", RUNBOOKS.read_text(), re.DOTALL)
    examples = yaml.safe_load(example)
    for query in [*queries(), *(rule["expr"] for rule in [*rules(), *examples])]:
        for name, selected in re.findall(r"(apphub_\w+){(.*?)}", query):
            metric = OF_HISTOGRAMS.sub("", name)
            assert {*re.findall(r"(\w+)=", selected)} <= labels[metric], query


def test_the_dashboard_shows_every_metric_that_tells_of_the_service() -> None:
    documented = set(re.findall(r"^\| `(apphub_\w+)` \|", METRICS.read_text(), re.MULTILINE))
    not_over_time = {"apphub_build_info", "apphub_reader_lag_events"}
    assert documented - not_over_time == names_in(DASHBOARD.read_text())


def test_each_alert_is_played_and_has_a_runbook() -> None:
    played = {
        case["alertname"]
        for test in yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    alerts = [rule["alert"] for rule in rules()]
    assert sorted(alerts) == sorted(played)
    assert re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE) == alerts
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_prometheus_can_read_all_of_it(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("APPHUB_TEST_PROMETHEUS") != "required", "promtool is missing"
        pytest.skip("promtool is not installed")
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    panels = tmp_path / "panels.yml"
    panels.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    for command in (
        ("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml"),
        ("check", "rules", RULES),
        ("test", "rules", PROMETHEUS / "alerts_test.yml"),
        ("check", "rules", panels),
    ):
        ended = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
