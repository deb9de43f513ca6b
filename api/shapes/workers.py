"""Workers: what clients see of them."""

from pydantic import AwareDatetime, Field

from api.shapes.base import Shape
from domain.ports import Standing


class Worker(Shape):
    """A worker since its start; one that starts again is another one."""

    id: str
    state: Standing = Field(
        description="`draining`: it claims nothing more, and ends once what it runs has ended;"
        " `lost`: it counts as dead, or soon will"
    )
    host: str = Field(description="the name of the machine where it runs")
    pid: int = Field(description="its process there")
    version: str | None = Field(
        description="of its program; null where it does not say"
    )
    slots: int = Field(description="how many runs it executes at a time")
    shared_slots: int = Field(
        description="how many beside them may share a process, of jobs that say so"
    )
    busy: int = Field(description="how many it executes now, but for those that share")
    shared_busy: int = Field(description="how many of those that share it executes now")
    labels: dict[str, str] = Field(description="what it was given to be told by")
    entry_points: list[str] | None = Field(
        description="what it offers to execute; null: a version that takes everything"
    )
    started_at: AwareDatetime
    last_beat_at: AwareDatetime = Field(description="when it last proved that it lives")


class UnofferedRuns(Shape):
    """Waiting runs of a job whose entry point no living worker offers."""

    slug: str = Field(description="the job's")
    entry_point: str
    runs: int = Field(
        description="how many wait for it, of the first hundred of the job's queue"
    )
