"""The glossary names only types and tables that exist."""

from docs.check_links import GLOSSARY, missing_definitions


def test_the_glossary_names_what_exists() -> None:
    assert missing_definitions(GLOSSARY.read_text()) == []


def test_what_does_not_exist_is_reported() -> None:
    text = "`JobRun` in `domain/jobs/run.py`, `Jobrun` in `domain/jobs/run.py`, table `job_run`"
    assert missing_definitions(text) == ["Jobrun in domain/jobs/run.py", "table job_run"]
    assert missing_definitions("`JobRun` in `domain/no_file.py`") == ["JobRun in domain/no_file.py"]
