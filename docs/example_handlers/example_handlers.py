"""A handler in a package of its own, found by its entry point once the package is installed."""

from apphub_jobs import Handler, JobResult, JobRunContext


def count_words(context: JobRunContext) -> JobResult:
    """Count the words of a text."""
    words = str(context.parameters["text"]).split()
    context.logger.info("counted %d words", len(words))
    return JobResult(result={"words": len(words)}, metrics={"characters": sum(map(len, words))})


HANDLERS: dict[str, Handler] = {"example.count_words": count_words}
