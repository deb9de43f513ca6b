"""Forty mistakes that people make, each told in one clear message with what to do about it."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests import ROOT
from tests.e2e.daily.conftest import Shell
from tests.support.commands import typed

FILES: Mapping[str, str] = {
    "syntax.py": "def broken(:\n",
    "missing.py": "import nothing_of_that_name\n",
    "raises.py": "1 / 0\n",
    "plain.py": "def greet(name): ...\n",
    "json.py": "",
    "timeout.py": "from apphub_jobs import job\n\n\n@job(timeout='soon')\ndef f(): ...\n",
    "unknown.py": "from apphub_jobs import job\n\n\n@job\ndef f(a: 'Nothing'): ...\n",
    "twins.yaml": "[{slug: one, name: a}, {slug: ONE, name: b}]",
    "broken.yaml": "slug: [",
    "nameless.yaml": "name: no slug here",
    "incomplete.yaml": "{slug: bare, name: bare, type: batch}",
    "odd-type.yaml": "{slug: odd, name: odd, type: hourly, entryPoint: x}",
    "list.json": "[1, 2]",
    "deep.json": "[" * 10_000,
    "lost.json": '{"lost": ["no-such-program-of-ours"]}',
    "wrong.json": '{"lost": "echo"}',
    "twice.json": '{"echo": ["/bin/echo"], "echo": ["/bin/cat"]}',
}


@dataclass(frozen=True)
class Mistake:
    """What is typed, how it ends, and what must be told: the thing, and the remedy."""

    words: str
    messages: tuple[str, ...]
    code: int = 1
    env: Mapping[str, str] = field(default_factory=dict)


MISTAKES = (
    # The handler's file.
    Mistake("jobs diff syntax.py", ("SyntaxError", "syntax.py")),
    Mistake("up --handlers syntax.py", ("SyntaxError", "syntax.py")),
    Mistake("up --handlers missing.py", ("nothing_of_that_name", "PYTHONPATH")),
    Mistake("up --handlers raises.py", ("ZeroDivisionError", "raises.py")),
    Mistake("up --handlers no.such.module", ("no.such.module", "PYTHONPATH")),
    Mistake("up --handlers plain.py", ("HANDLERS", "@job")),
    Mistake("up --handlers nowhere.py", ("no file nowhere.py",)),
    Mistake("up --handlers json.py", ("json.py", "rename it")),
    Mistake("jobs diff timeout.py", ("'soon'", "timeout.py, line 4")),
    Mistake("jobs diff unknown.py", ("'Nothing'", "import it")),
    Mistake("up --commands lost.json", ("no-such-program-of-ours", "not there")),
    Mistake("up --commands wrong.json", ("must hold", "program")),
    Mistake("up --commands twice.json", ("twice.json", "the key 'echo' stands twice")),
    Mistake("up --commands absent.json", ("absent.json",)),
    # The files of definitions.
    Mistake("jobs apply broken.yaml", ("broken.yaml", "neither YAML nor JSON")),
    Mistake("jobs apply deep.json", ("deep.json", "nested too deep")),
    Mistake("jobs apply nameless.yaml", ("slug", "entryPoint")),
    Mistake("jobs apply twins.yaml", ("'ONE'", "twice")),
    Mistake("jobs apply incomplete.yaml", ("entryPoint",)),
    Mistake("jobs apply odd-type.yaml", ("job 'odd'", "type", "batch")),
    Mistake("jobs apply absent.yaml", ("absent.yaml",)),
    # The start.
    Mistake("up --data-dir d\udcff", ("'d\\udcff'", "UTF-8"), code=2),
    Mistake("up --port {taken}", ("{taken}", "--port")),
    Mistake("up --database-url mysql://h/db", ("mysql://", "postgresql://")),
    Mistake("up --database-url postgresql://u:s3cret/@h/db", ("host or port", "%2F")),
    Mistake(
        "up --port 0 --wait-for-database-s 0 --database-url postgresql://u:s3cret@127.0.0.1:1/db",
        ("cannot reach the database", "--database-url"),
    ),
    Mistake("up --host 0.0.0.0", ("--tokens-file", "--insecure")),
    Mistake("up --tokens-file absent.json", ("absent.json",)),
    Mistake("dev", ("Missing argument",), code=2),
    # The service.
    Mistake("run greet", ("no service runs", "apphub-jobs up"), env={"APPHUB_DATA_DIR": "e"}),
    Mistake("runs list", ("cannot be read", "--url"), env={"APPHUB_DATA_DIR": "d" * 300}),
    Mistake("jobs list --url http://127.0.0.1:1", ("cannot reach", "APPHUB_URL")),
    Mistake("jobs list --url localhost:4000", ("no address", "http://")),
    # Launches.
    Mistake("run nope", ("job not found: nope", "jobs list")),
    Mistake("run gret", ("job not found: gret", "did you mean greet?")),
    Mistake("jobs pause stps", ("job not found: stps", "did you mean steps?")),
    Mistake("runs list createdAfter=soon", ("createdAfter", "'soon'", "2h"), code=2),
    Mistake("events export --since soon", ("--since", "'soon'", "2h"), code=2),
    Mistake("runs list --as-of soon", ("--as-of", "'soon'", "position"), code=2),
    Mistake("schedules backfill s --from soon", ("--from", "'soon'", "yesterday"), code=2),
    Mistake("schedules create s greet --every soon", ("--every", "'soon'", "30s"), code=2),
    Mistake("runs statistics --to soon", ("--to", "'soon'", "2h"), code=2),
    Mistake("runs statistics --bucket soon", ("--bucket", "'soon'", "30s"), code=2),
    Mistake("runs statistics --bucket 99999999999d", ("--bucket", "too long"), code=2),
    Mistake(f"runs list --as-of {'9' * 5_000}", ("--as-of", "position"), code=2),
    Mistake(f"runs list --limit {'9' * 20}", ("--limit", "too large"), code=2),
    Mistake(f"schedules ticks s -n {'9' * 20}", ("--n", "too large"), code=2),
    Mistake("events export no/such/directory/file", ("cannot be written", "No such file")),
    Mistake("events export .", ("cannot be written",)),
    Mistake("run greet", ("/parameters", "'name'", "jobs show greet")),
    Mistake("run greet name=Ada times=often", ("/parameters/times", "jobs show")),
    Mistake("run greet name=Ada tims=3", ("tims", "jobs show greet")),
    Mistake("run greet Ada", ("'Ada' is no parameter", "NAME=VALUE"), code=2),
    Mistake("run greet name=\udcff", ("'name=\\udcff'", "UTF-8"), code=2),
    Mistake("run greet n\udcff=1", ("'n\\udcff=1'", "UTF-8"), code=2),
    Mistake('run greet name="\\ud800"', ("\\ud800", "UTF-8"), code=2),
    Mistake("run greet name=A times=NaN", ("times: NaN is no JSON",), code=2),
    Mistake("run greet name=A times=-1e400", ("'times=-1e400'", "large"), code=2),
    Mistake("jobs list --url http://127.0.0.1:4x", ("no address", "http://")),
    Mistake("ready --url http://127.0.0.1:4x", ("no address", "http://")),
    Mistake("run gr\udcff", ("'gr\\udcff'", "UTF-8"), code=2),
    Mistake("runs show gr\udcff", ("'gr\\udcff'", "UTF-8"), code=2),
    Mistake("run greet --params absent.json", ("absent.json",), code=2),
    Mistake("run greet --params list.json", ("must hold an object",), code=2),
    Mistake("run greet name=A --no-wait --wait-for 5s", ("--no-wait", "leave out"), code=2),
    Mistake("runs watch --wait-for 5s", ("--wait-for", "name it"), code=2),
    Mistake("runs watch last --job greet", ("--job", "leave it out"), code=2),
    Mistake("run greet name=A --wait-for soon", ("--wait-for", "soon"), code=2),
    Mistake("run end-as status=failed", ("end-as failed", "as it was told"), code=3),
    Mistake("run end-as status=canceled", ("end-as canceled", "told"), code=5),
    Mistake("run end-as status=expired", ("end-as expired", "told"), code=6),
    # Runs, jobs, apps.
    Mistake("runs show nobody", ("not found", "runs list")),
    Mistake("runs cancel {ended}", ("already succeeded", "runs retry")),
    Mistake("runs logs {ended} --attempt 9", ("no attempt 9", "runs show")),
    Mistake("runs list --status lost", ("status", "pending")),
    Mistake("jobs show nope", ("job not found", "jobs list")),
    Mistake("apps show nope", ("app not found", "apps list")),
    Mistake("apps show ../jobs", ("not found",)),
    Mistake("jobs what-if a/../greet?x --max-concurrent-runs 1", ("not found",)),
    Mistake("apps add ftp://h/x.git --id x", ("repoUrl", "https")),
    # The log.
    Mistake("events tail --type job_run.failed", ("did you mean", "attempt_failed")),
    Mistake("events show nobody --database-url {db}", ("'nobody' is no id",)),
    Mistake("nonsense", ("No such command 'nonsense'",), code=2),
)


@pytest.fixture(scope="module")
def names_in_messages(shell: Shell) -> Mapping[str, str]:
    """Write the files, and return what the words name."""
    for name, text in FILES.items():
        (shell.directory / name).write_text(text)
    ended = shell.run("run", "greet", "name=Ada", "--json").stdout
    return {
        "ended": ended.partition('"id":"')[2].partition('"')[0],
        "db": shell.database_url.replace(" ", "\N{NO-BREAK SPACE}"),
    }


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: f"{mistake.words} {' '.join(mistake.env)}".strip()
)
def test_each_mistake_is_told_with_its_remedy(
    mistake: Mistake,
    shell: Shell,
    names_in_messages: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(shell.directory)
    for name in [name for name in os.environ if name.startswith("APPHUB_")]:
        monkeypatch.delenv(name)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        names = {**names_in_messages, "taken": str(taken.getsockname()[1])}
        words = [
            word.format_map(names).replace("\N{NO-BREAK SPACE}", " ")
            for word in mistake.words.split()
        ]
        if words[0] == "up" and "--port" not in words:
            words += ["--port", "0"]
        env = {"APPHUB_DATA_DIR": str(shell.data_dir), "COLUMNS": "200", **mistake.env}
        if words[0] in {"up", "dev"}:
            # Nothing may be left behind in it.
            env["APPHUB_DATA_DIR"] = "never-made"
        done = typed(words, env)
    assert done.returncode == mistake.code, done
    expected = [part.format_map(names) for part in mistake.messages]
    assert [part for part in expected if part not in done.stderr] == [], done.stderr
    ours = [line for line in done.stderr.splitlines() if f'File "{ROOT}' in line]
    assert ours == []
    assert "s3cret" not in done.stdout + done.stderr
    if words[:2] != ["jobs", "apply"]:  # It shows first what it is about to do.
        assert done.stdout == ""
