"""What an engine was given, as records of a journal: requests, steps of time, rounds, named transitions."""

import logging
from typing import Final

from attrs import frozen

from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.engine import Engine
from reference_impl.subnet.observations import NotTaken
from spec.state.label import Label
from spec.state.request import Endpoint, Submission
from spec.values.identifiers import Blob, Principal
from spec.values.quantities import Nanoseconds

log: Final = logging.getLogger("icspec.serve")


@frozen
class TakenIn:
    """A request was submitted, and taken in."""

    submission: Submission
    effective_id: Principal
    endpoint: Endpoint


@frozen
class TimePassed:
    """Time moved on."""

    nanoseconds: Nanoseconds


@frozen
class RoundRun:
    """There was a round."""


@frozen
class Chosen:
    """A transition was chosen from outside."""

    label: Label


Input = TakenIn | TimePassed | RoundRun | Chosen


def record_of(given: Input) -> Blob:
    """An input as bytes."""
    match given:
        case TakenIn(submission, effective_id, endpoint):
            return encoded(["taken in", submission, effective_id, endpoint.value])
        case TimePassed(nanoseconds):
            return encoded(["time", nanoseconds])
        case RoundRun():
            return encoded(["round"])
        case Chosen(label):
            return encoded(["chosen", label.rule, dict(label.choices)])


def input_of(record: Blob) -> Input:
    """The input in bytes. Raises `NoValue`."""
    match decoded(record):
        case ["taken in", submission, effective_id, endpoint]:
            return TakenIn(submission, Principal(effective_id), Endpoint(endpoint))
        case ["time", nanoseconds]:
            return TimePassed(nanoseconds)
        case ["round"]:
            return RoundRun()
        case ["chosen", rule, choices]:
            return Chosen(Label(rule, choices))
        case _:
            raise NoValue("this is no input of an engine")


def give(engine: Engine, given: Input) -> None:
    """
    An engine gets an input again. Raises `NoValue` if it does not take in what it took in before.

    Where a round failed it fails again, at the same place.
    """
    match given:
        case TakenIn(submission, effective_id, endpoint):
            if isinstance(engine.submit(submission, effective_id, endpoint), NotTaken):
                raise NoValue("a request that was taken in is refused")
            return
    try:
        match given:
            case TimePassed(nanoseconds):
                engine.advance(nanoseconds)
            case RoundRun():
                engine.round()
            case Chosen(label):
                engine.take(label)
    except Exception:
        log.exception("%s failed, as it did before", type(given).__name__)
