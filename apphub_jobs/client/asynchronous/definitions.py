"""What a client asks of jobs."""

from collections.abc import Mapping

from apphub_jobs.client import jobs
from apphub_jobs.client.asynchronous.launcher import AsyncLauncher
from apphub_jobs.client.definitions import Definition, described, patch
from apphub_jobs.client.documents import JobDocument
from apphub_jobs.client.errors import ConflictError, NotFoundError
from apphub_jobs.client.requests import reading
from apphub_jobs.contract import Json


class AsyncDefinitions(AsyncLauncher):
    """Looks at jobs, registers and changes them, beside launching them."""

    async def jobs(self) -> list[JobDocument]:
        """Return every job, by slug."""
        answer = await self._transport.send(reading("/jobs"))
        return [JobDocument(job) for job in answer["data"]]

    async def job(self, slug: str) -> JobDocument:
        """Return a job.

        Raises:
            NotFoundError: there is none of this slug.
        """
        answer = await self._transport.send(jobs.shown(slug))
        return JobDocument(answer["data"]["job"])

    async def register(self, definition: Definition) -> JobDocument:
        """Register a job whose slug is free.

        Args:
            definition: a function under `@job`, or what `POST /jobs` takes.

        Raises:
            InvalidRequestError: the definition breaks a rule.
            ConflictError: there is a job of this slug.
        """
        answer = await self._transport.send(jobs.registered(described(definition)))
        return JobDocument(answer["data"])

    async def revise(self, slug: str, changes: Mapping[str, Json]) -> JobDocument:
        """Change fields of a job: a new version, unless nothing would change.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.revised(slug, changes))
        return JobDocument(answer["data"])

    async def apply(self, definition: Definition) -> JobDocument:
        """Register a job, or revise it so that it is as this definition says, and nothing else.

        Args:
            definition: a function under `@job`, or what `POST /jobs` takes.

        Raises:
            InvalidRequestError: the definition breaks a rule.
        """
        slug = described(definition)["slug"]
        try:
            current = await self.job(slug)
        except NotFoundError:
            try:
                return await self.register(definition)
            except ConflictError:
                current = await self.job(slug)  # Somebody else was faster.
        changes = patch(definition, current)
        if not changes:
            return current
        return await self.revise(slug, changes)

    async def pause(self, slug: str, reason: str | None = None) -> JobDocument:
        """Let nothing of a job start any more; what runs goes on, and what is launched waits.

        A job that is paused stays as it was paused.

        Raises:
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.paused(slug, reason))
        return JobDocument(answer["data"])

    async def resume(self, slug: str) -> JobDocument:
        """Let what waits of a job start again.

        Raises:
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.resumed(slug))
        return JobDocument(answer["data"])

    async def delete(self, slug: str) -> JobDocument:
        """Delete a job, and return it as it was; its runs and its history stay.

        Raises:
            NotFoundError: there is no job of this slug.
            ConflictError: runs of it are pending or running; or the service itself needs it.
        """
        answer = await self._transport.send(jobs.deleted(slug))
        return JobDocument(answer["data"])
