"""What a probe tells of jobs made of typed functions, and which modules offer them."""

from collections.abc import Sequence

import pytest

from tests.integration.worker.operator_modules import Write
from worker.executors.local.probe import (
    DuplicateHandlerError,
    HandlersError,
    OfferedHandler,
    probe_handlers,
)
from worker.executors.packages import HandlerSource, collect_packages

GREET = '''
from apphub_jobs import JobRunContext, job

@job(timeout="30s", retries=2)
async def greet_all(context: JobRunContext, names: list[str], times: int = 1) -> int:
    """Greet everybody."""
    return 1

def plain(context):
    pass

HANDLERS = {"my.plain": plain}
'''


def own(*modules: str) -> dict[str, OfferedHandler]:
    """Return what these modules offer."""
    offered = probe_handlers(collect_packages(HandlerSource(modules)))
    return {name: offer for name, offer in offered.items() if not name.startswith("catalog.")}


def test_a_probe_tells_definitions_beside_names(write: Write) -> None:
    write("greetings.py", GREET)
    offered = own("greetings")
    assert set(offered) == {"greet-all", "my.plain"}
    assert offered["my.plain"].definition is None
    job = offered["greet-all"]
    assert (job.origin, job.package.modules) == ("greetings", ["greetings"])
    assert job.definition == {
        "slug": "greet-all",
        "name": "Greet all",
        "type": "batch",
        "entryPoint": "greet-all",
        "timeoutMs": 30_000,
        "retryPolicy": {"maxAttempts": 3, "strategy": "exponential", "jitter": "none"},
        "metadata": {"description": "Greet everybody."},
        "defaultParameters": {"times": 1},
        "parametersSchema": {
            "type": "object",
            "title": "greet-all",
            "properties": {
                "names": {"type": "array", "items": {"type": "string"}, "title": "Names"},
                "times": {"type": "integer", "default": 1, "title": "Times"},
            },
            "required": ["names"],
            "additionalProperties": False,
        },
        "outputSchema": {"type": "integer"},
    }


def test_a_module_offers_its_packages_jobs_and_those_that_it_lists(write: Write) -> None:
    write("greetings.py", GREET)
    write("parts/__init__.py", "from parts.one import first\n")
    write("parts/one.py", "from apphub_jobs import job\n@job\ndef first() -> None: ...\n")
    assert set(own("parts", "parts.one")) == {"first"}
    write(
        "launching.py",
        "from greetings import greet_all\nfrom parts import first\nHANDLERS = [first]\n",
    )
    assert set(own("launching")) == {"first"}
    assert set(own("launching", "greetings")) == {"first", "greet-all", "my.plain"}
    write("only.py", "from greetings import greet_all\n")
    with pytest.raises(HandlersError, match="'greet-all' is of greetings; name that"):
        own("only")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "@job('a')\ndef one(): ...\n@job('a')\ndef two(): ...\n",
            ["mine offers 'a' twice, by both mine.one and mine.two; rename one"],
        ),
        (
            "import builtins\n@job(timeout='soon')\ndef one(): ...\n",
            ["job 'one' (", "mine.py, line 3): timeout: 'soon' is no duration"],
        ),
        ("HANDLERS = ['one']\n", ["HANDLERS of mine must list jobs, unlike 'one'"]),
        ("HANDLERS = 1\n", ["must map names to functions or list jobs, unlike 1"]),
    ],
)
def test_what_is_no_job_is_told(content: str, message: Sequence[str], write: Write) -> None:
    write("mine.py", f"from apphub_jobs import job\n{content}")
    with pytest.raises(HandlersError) as raised:
        own("mine")
    text = str(raised.value)
    assert [part for part in message if part not in text] == []
    assert "apphub_jobs/" not in text


def test_a_handlers_process_imports_pydantic_for_typed_functions_alone(
    write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    write(
        "mine.py",
        "import sys\n"
        "from apphub_jobs import JobRunContext, job\n"
        "@job\ndef tick(context: JobRunContext) -> None: ...\n"
        "_ = tick.definition, tick.handler()\n"
        "print('pydantic' in sys.modules, 'httpx' in sys.modules)\n",
    )
    own("mine")
    assert "False False" in capfd.readouterr().err


@pytest.mark.parametrize("modules", [("mine",), ("mine", "theirs")])
def test_a_job_with_two_entry_points_is_refused(write: Write, modules: Sequence[str]) -> None:
    job = "from apphub_jobs import job\n\n@job('Tidy', entry_point='a')\ndef a(): ...\n"
    another = job.replace("Tidy", "tidy").replace("'a'", "'b'").replace("a()", "b()")
    texts = [job, another] if len(modules) > 1 else [f"{job}\n{another}"]
    for module, text in zip(modules, texts, strict=True):
        write(f"{module}.py", text)
    message = rf"'tidy' is defined twice, .* 'a' in mine and with 'b' in {modules[-1]}"
    with pytest.raises(DuplicateHandlerError, match=message):
        own(*modules)
