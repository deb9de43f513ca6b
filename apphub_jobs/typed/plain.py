"""The signature of a function that takes nothing and says nothing of its result: no pydantic."""

from collections.abc import Mapping, Sequence

from apphub_jobs.contract import Json, PermanentError
from apphub_jobs.typed.reading import Reading


class PlainSignature:
    """Accepts no parameters, and any result."""

    def __init__(self, name: str, reading: Reading) -> None:
        self._name = name
        self._reading = reading

    def fields(self) -> dict[str, Json]:
        """Return what it says of the definition."""
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        return {"parametersSchema": schema}

    def arguments(self, parameters: Mapping[str, Json]) -> dict[str, object]:
        """Return the arguments of a call.

        Raises:
            PermanentError: there are parameters.
        """
        if parameters:
            named = ", ".join(parameters)
            msg = f"{self._name} takes no parameters, but was given {named}"
            raise PermanentError(msg)
        return {}

    def to_json(
        self, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> dict[str, Json]:
        """Return the parameters of a launch.

        Raises:
            TypeError: there are arguments.
        """
        return self._reading.bound(args, kwargs)

    def result_json(self, result: object) -> Json:
        """Return a result as it is."""
        return result

    def result(self, result: Json) -> object:
        """Return a result as it is."""
        return result
