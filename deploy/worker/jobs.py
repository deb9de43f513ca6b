"""An example of jobs that bring a package of their own."""

from jinja2 import Template

from apphub_jobs import JobRunContext, job

LETTER = Template("Dear {{ name }},\nyour order of {{ count }} is on its way.")


@job("write-letter", retries=2)
def write_letter(context: JobRunContext, name: str, count: int = 1) -> str:
    """Write a letter, and print it."""
    del context
    letter = LETTER.render(name=name, count=count)
    print(letter)
    return letter
