"""What an implementation says that it does not have: scenarios that come to need it do not apply."""

from collections.abc import Set
from typing import TypeGuard

from conformance.judging.verdicts import Judged, NotApplicable
from spec.state.message import CallMessage
from spec.state.state import State
from spec.values.identifiers import MANAGEMENT_CANISTER, Text


def not_there(name: Text) -> Judged:
    """Ends a scenario: it needs something that the implementation says it does not have."""
    return Judged(NotApplicable(f"the implementation does not have {name!r}"))


def require_calls(state: State, missing: Set[Text]) -> None:
    """Ends a scenario in which a canister calls a method of the management canister that is missing."""
    if missing:
        for message in state.messages:
            if is_missing(message, missing):
                raise not_there(message.method_name)


def is_missing(message: object, missing: Set[Text]) -> TypeGuard[CallMessage]:
    """The message is a call to a method of the management canister that is missing."""
    return isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER and message.method_name in missing
