"""Lifts a job's content out of events from before some of its fields."""

from typing import cast

from domain.json_values import JsonObject


class WithWholeSpec:
    """Base of the events that hold all of a job's content, in its newest shape.

    What is filled in was true of the job before there was such a field.
    """

    class_version = 9

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before a key could be shared."""
        _spec_of(state)["concurrency_limit"] = 1

    @staticmethod
    def upcast_v2_v3(state: JsonObject) -> None:
        """Lift an event from before a job could ask for workers' labels."""
        _spec_of(state)["worker_labels"] = {}

    @staticmethod
    def upcast_v3_v4(state: JsonObject) -> None:
        """Lift an event from before there were limits of starts."""
        _spec_of(state)["rate_limit"] = None

    @staticmethod
    def upcast_v4_v5(state: JsonObject) -> None:
        """Lift an event from before a job could say when its ended runs are archived."""
        _spec_of(state)["retention"] = None

    @staticmethod
    def upcast_v5_v6(state: JsonObject) -> None:
        """Lift an event from before runs could be unique."""
        _spec_of(state)["unique_runs"] = None

    @staticmethod
    def upcast_v6_v7(state: JsonObject) -> None:
        """Lift an event from before values of a parameter could take turns."""
        _spec_of(state)["fairness_key"] = None

    @staticmethod
    def upcast_v7_v8(state: JsonObject) -> None:
        """Lift an event from before attempts could share a process."""
        _spec_of(state)["isolation"] = "process"

    @staticmethod
    def upcast_v8_v9(state: JsonObject) -> None:
        """Lift an event from before a job could belong to a module."""
        _spec_of(state)["module_binding"] = None


def _spec_of(state: JsonObject) -> JsonObject:
    return cast("JsonObject", state["spec"])
