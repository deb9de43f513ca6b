"""What commands print on a terminal of eighty columns, and what they keep from it."""

import re
from typing import Any

from apphub_jobs import Client
from tests.e2e.daily.conftest import Shell
from tests.e2e.daily.test_runs_commands import document, launched
from tests.integration.shared_api import unique
from tests.support.processes import eventually

WIDTH = 80

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def output_of(shell: Shell, *words: str) -> str:
    """Return what a command prints on a terminal."""
    return shell.run_at_terminal(*words, columns=WIDTH)


def lines_of(text: str) -> list[str]:
    return COLOURS.sub("", text).splitlines()


def reports_of(shell: Shell) -> list[dict[str, Any]]:
    """Return the newest run's reports of progress."""
    lines = shell.run("events", "show", "last", "--json").stdout.splitlines()
    events = map(document, lines)
    return [event for event in events if event["type"] == "job_run.progressed"]


def test_a_list_of_runs_is_no_wider_and_its_ids_can_be_looked_for(shell: Shell) -> None:
    run_id = launched(shell, "end-as", "status=failed")
    shell.run("runs", "watch", run_id)
    lines = lines_of(output_of(shell, "runs", "list"))
    assert max(map(len, lines)) <= WIDTH, lines
    [row] = [line for line in lines if line.startswith(run_id[:18])]
    short, *_ = row.split()
    assert short != run_id
    output = shell.run("runs", "list", "--search", short).stdout
    assert run_id in output
    assert run_id in shell.run("runs", "show", short).stdout


def test_counts_of_runs_and_saved_views_are_no_wider(shell: Shell) -> None:
    launched(shell, "end-as", "status=failed")
    shell.run("runs", "watch", "last")
    name = "What to look at first, in Europe"
    filters = [f"parameters.region!=eu-{number}" for number in range(9)]
    assert shell.run("views", "save", name, "status=failed,expired", *filters).returncode == 0
    for words in (
        ("views", "list"),
        ("runs", "statistics"),
        ("runs", "statistics", "--by-job"),
        ("schedules", "list"),
    ):
        lines = lines_of(output_of(shell, *words))
        assert max(map(len, lines)) <= WIDTH, lines
    shell.run("views", "delete", name)


def test_a_history_breaks_no_word_and_folds_reports_of_progress(shell: Shell) -> None:
    run_id = launched(shell, "steps", "count=1000000")
    eventually(lambda: len(reports_of(shell)) > 2, what="three reports of progress")
    shell.run("runs", "cancel", run_id)
    shell.run("runs", "watch", run_id)
    lines = lines_of(output_of(shell, "events", "show", "last"))
    assert max(map(len, lines)) <= WIDTH, lines
    text = "\n".join(lines)
    whole = shell.run("events", "show", "last", "--json").stdout
    events = [document(line) for line in whole.splitlines()]
    for topic in {event["type"] for event in events}:
        assert topic in text
    for actor in {event["actor"] for event in events}:
        assert f"by {actor}" in text
    assert f"steps {run_id[:18]}" in text
    reports = reports_of(shell)
    assert text.count("Z  job_run.progressed") < len(reports)
    every = lines_of(output_of(shell, "events", "show", "last", "--progress"))
    assert "\n".join(every).count("Z  job_run.progressed") == len(reports)


STEERING = "\x1b]52;c;bWFsaWNl\x07\x1b]0;title\x07\x1b[2J\x1bc\x9b3J"

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def test_output_colours_a_terminal_and_steers_it_never(shell: Shell) -> None:
    launched(shell, "steer", f"letters={STEERING}")
    shell.run("runs", "watch", "last")
    raw = shell.run("runs", "logs", "last").stdout
    assert f" {STEERING}\x1b[31mred\x1b[0m\n" in raw, raw
    text = output_of(shell, "runs", "logs", "last")
    assert "\x1b[31mred" in text
    rest = COLOURS.sub("", text)
    assert not CONTROLS.search(rest), rest
    assert "title" in rest


def test_names_messages_and_filters_of_others_steer_no_terminal(shell: Shell) -> None:
    slug = unique("steering")
    definition = {"slug": slug, "name": STEERING, "type": "manual", "entryPoint": f"x{STEERING}"}
    with Client(shell.url) as client:
        client.register(definition)
        launched(shell, "steer", f"letters={STEERING}", "fails=true")
        shell.run("runs", "watch", "last")
        [group] = eventually(lambda: list(client.failures.each(job="steer")), what="its group")
    shell.run("bulk", "cancel", f"search={STEERING}", "--reason", STEERING)
    for words in (
        ("run", slug, "--no-wait"),
        ("jobs", "list"),
        ("jobs", "show", slug),
        ("jobs", "list", "--json"),
        ("bulk", "list"),
        ("failures", "list"),
        ("failures", "ignore", group.fingerprint),
        ("runs", "show", f"{STEERING}"),
    ):
        text = COLOURS.sub("", output_of(shell, *words))
        assert not CONTROLS.search(text), (words, text)


def test_lines_of_standard_error_are_marked_on_a_terminal_and_pipes_get_all(shell: Shell) -> None:
    launched(shell, "steer", "letters=fine")
    shell.run("runs", "watch", "last")
    assert re.search(r"Z ! careful", COLOURS.sub("", output_of(shell, "runs", "logs", "last")))
    printed, careful = shell.run("runs", "logs", "last").stdout.splitlines()
    assert re.search(r"\dZ fine", printed)
    assert re.search(r"\dz careful$", careful)
    for stream, line in (("stdout", printed), ("stderr", careful)):
        assert shell.run("runs", "logs", "last", "--stream", stream).stdout == f"{line}\n"
