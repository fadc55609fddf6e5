"""
What a transition rule is.

A rule is a pure function from a state and the values of its free variables to a `Step`. Its conditions are stated with
`require`; one that does not hold makes the whole rule `NotEnabled`. No exception leaves a rule.
"""

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from attrs import frozen

from spec.canister.outcome import LogEntry
from spec.state.call_context import FailedExecution
from spec.state.message import FuncMessage, Message
from spec.state.request import RequestStatus
from spec.state.state import State
from spec.values.containers import Queue
from spec.values.identifiers import CanisterId, RequestId, Text
from spec.values.quantities import Cycles, Instructions
from spec.values.rejects import USUAL_CODES, Reject, RejectCode, RejectReason, system_reject
from spec.values.remembering import RememberingLast


class BurnReason(Enum):
    """What burned cycles were burned for."""

    EXECUTION = "execution"
    """Instructions, and the fixed part of each execution."""
    TRANSMISSION = "transmission"
    """Calls and their payloads."""
    CREATION = "creation"
    """Creating a canister."""
    REQUESTED = "requested"
    """The canister asked for it with `ic0.cycles_burn128`."""
    SERVICES = "services"
    """Signatures, derived keys and requests to the outside world."""
    RESOURCES = "resources"
    """Storage, compute and other payments over time."""
    LOST = "lost"
    """Held by a deleted canister or an expired message, or beyond the largest balance."""


class MintReason(Enum):
    """Where new cycles come from."""

    PROVISIONAL = "provisional"
    """The provisional interface of development instances."""


@frozen
class Burned:
    """Cycles that left the system."""

    cycles: Cycles
    reason: BurnReason


@frozen
class Minted:
    """Cycles that entered the system."""

    cycles: Cycles
    reason: MintReason


@frozen
class RequestStatusChanged:
    """A request got another status, None if it is no longer known."""

    request_id: RequestId
    status: RequestStatus | None


@frozen
class Executed:
    """Code of a canister ran."""

    canister_id: CanisterId
    instructions: Instructions
    """What it was charged for."""
    failure: FailedExecution | None
    """Why its effects were dropped, if they were."""


Output = RequestStatusChanged | Executed


@frozen
class Step:
    """The rule fired."""

    state: State
    """The state after."""
    outputs: tuple[Output, ...] = ()
    """What the step shows, in order."""
    minted: tuple[Minted, ...] = ()
    burned: tuple[Burned, ...] = ()
    """With the above: cycles before + minted = cycles after + burned."""


@frozen
class NotEnabled:
    """The rule cannot fire."""

    condition: Text
    """The first condition that does not hold."""
    reject: Reject | None = None
    """For a request or management call: the reject with which it fails, for this reason; its code is a prediction."""
    logs: tuple[LogEntry, ...] = ()
    """What code had written to the log, and where the system may write, before the condition was found not to hold."""


@frozen
class Unspecified:
    """The interface specification says nothing about this case, and neither do we."""

    because: Text


class _ConditionFailed(Exception):
    def __init__(self, condition: Text, reject: Reject | None, logs: tuple[LogEntry, ...]) -> None:
        super().__init__(condition)
        self.condition = condition
        self.reject = reject
        self.logs = logs


class _Silence(Exception):
    pass


def require(
    holds: bool,
    condition: Text,
    otherwise: RejectReason | None = None,
    code: RejectCode | None = None,
    detail: Text = "",
    logs: tuple[LogEntry, ...] = (),
) -> None:
    """
    States one condition of a rule, in words.

    `require_present` and `require_kind` state that a value is there, or is of some class, and give it.
    `otherwise` and `detail` say why a management call fails if the condition does not hold; a condition without them
    makes the call wait. The code of the reject is left open; `code` is the one that production gives, if it is not the
    usual one for the reason. `logs` is what code has written to the log that ran before.
    """
    if not holds:
        raise _ConditionFailed(condition, None if otherwise is None else _predicted(otherwise, code, detail), logs)


def _predicted(reason: RejectReason, code: RejectCode | None, detail: Text) -> Reject:
    usual = USUAL_CODES.get(reason, RejectCode.CANISTER_ERROR) if code is None else code
    return system_reject(usual, reason, detail)


Present = TypeVar("Present")
Kind = TypeVar("Kind")


def require_present(
    value: Present | None,
    condition: Text,
    otherwise: RejectReason | None = None,
    code: RejectCode | None = None,
    detail: Text = "",
) -> Present:
    """The value. States, as `require` does, that it is not None."""
    require(value is not None, condition, otherwise, code, detail)
    assert value is not None
    return value


def require_kind(
    value: object,
    kind: type[Kind],
    condition: Text,
    otherwise: RejectReason | None = None,
    code: RejectCode | None = None,
    detail: Text = "",
) -> Kind:
    """The value. States, as `require` does, that it is of this class."""
    require(isinstance(value, kind), condition, otherwise, code, detail)
    assert isinstance(value, kind)
    return value


def unspecified(because: Text) -> None:
    """Ends a rule in a place where the specification is silent."""
    raise _Silence(because)


def _none_is_about_to_run(messages: Queue[Message]) -> bool:
    return messages.none(lambda message: isinstance(message, FuncMessage))


_remembered: Final = RememberingLast(_none_is_about_to_run)


def none_is_about_to_run(messages: Queue[Message]) -> bool:
    """No function is about to run. Every rule asks it of the same state."""
    # Reason: the answer about unknown messages is a term that belongs to one path of a proof.
    return (_remembered if type(messages) is Queue else _none_is_about_to_run)(messages)


@frozen
class Rule:
    """A registered rule."""

    name: Text
    """The name of the function; labels use it."""
    title: Text
    """The heading, for readers."""
    source: Text
    """`file#anchor` in the interface specification, or `ours` with the errata entry that explains it."""
    body: Callable[..., Step]
    """The function as written."""
    completes_execution: bool
    """The rule runs the message for which a call context was just created."""

    def __call__(self, state: State, **choices: Any) -> Step | NotEnabled | Unspecified:
        """Takes the rule in a state, with values for its free variables."""
        try:
            if not self.completes_execution:
                require(none_is_about_to_run(state.messages), "no created call context waits for its execution")
            return self.body(state, **choices)
        except _ConditionFailed as failed:
            return NotEnabled(failed.condition, failed.reject, failed.logs)
        except _Silence as silence:
            return Unspecified(str(silence))


RULES: Final[dict[str, Rule]] = {}
"""Every rule, by name. Importing `spec.rules` fills it."""


def transition(
    *, title: Text, source: Text, completes_execution: bool = False
) -> Callable[[Callable[..., Step]], Rule]:
    """Registers the decorated function as a rule."""

    def register(body: Callable[..., Step]) -> Rule:
        assert body.__name__ not in RULES, f"two rules are named {body.__name__}"
        rule = Rule(body.__name__, title, source, body, completes_execution)
        RULES[rule.name] = rule
        return rule

    return register


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

OPAQUE: Final[dict[str, Callable[..., Any]]] = {}
"""The functions whose definition a proof about rules does not look into, by name."""

interpretation: Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any] | None = None
"""Set by the symbolic runner: it then answers every call of an opaque function."""


def opaque(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """
    Marks a pure function as one that the interface specification leaves unspecified, or that only computes.

    Rules call it as any other function. A proof replaces it by an unknown function of the same arguments, so what is
    proved holds for every definition that it could have.
    """
    name = function.__name__
    assert name not in OPAQUE, f"two opaque functions are named {name}"
    OPAQUE[name] = function

    @wraps(function)
    def call(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        if interpretation is not None:
            result: Result = interpretation(name, function, arguments, named)
            return result
        return function(*arguments, **named)

    return call
