"""
Trying: an instance as it was before something was done that is not kept.

How much an execution takes is known only after it, and so is whether a management call finds enough of everything.
Both are done, looked at, and taken back where they must wait or are refused. What is changed in place is copied; what
is a value stays.
"""

import copy
from collections import Counter, OrderedDict
from typing import Any, Final, TypeVar

from reference_impl.subnet.call_contexts import CallContexts, OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, History, InstalledCode
from reference_impl.subnet.ingress_history import IngressHistory
from reference_impl.subnet.observations import Recorder
from reference_impl.subnet.queues import Inbox, MessageQueues
from reference_impl.subnet.subnet_instance import SubnetInstance

Copied = TypeVar("Copied")

CHANGING: Final = (
    CallContexts,
    CanisterRecord,
    History,
    Inbox,
    IngressHistory,
    InstalledCode,
    MessageQueues,
    OpenContext,
    Recorder,
)
"""The classes of an instance whose objects change in place."""

LASTING: Final = frozenset(("profile", "world", "ledger", "_loader", "_modules", "correspondence"))
"""What an instance has and no transition changes or takes away: modules that are known stay known."""


def copied(value: Copied) -> Copied:
    """The value, with everything in it copied that changes in place."""
    if isinstance(value, Counter | OrderedDict | dict):
        same = copy.copy(value)
        for key, inner in value.items():
            same[key] = copied(inner)
        return same
    if isinstance(value, list):
        return [copied(inner) for inner in value]  # type: ignore[return-value]
    if isinstance(value, CHANGING):
        same_object = copy.copy(value)
        for name in _names(value):
            setattr(same_object, name, copied(getattr(value, name)))
        return same_object
    return value


def _names(value: object) -> list[str]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [name for name in (*getattr(value, "__dict__", ()), *slots) if hasattr(value, name) and name[:2] != "__"]


class Savepoint:
    """An instance as it is now; it can be brought back once."""

    def __init__(self, instance: SubnetInstance) -> None:
        self._instance = instance
        self._fields: dict[str, Any] = {
            name: copied(value) for name, value in vars(instance).items() if name not in LASTING
        }

    def restore(self) -> None:
        """The instance is as it was; objects that were taken from it meanwhile are no part of it any more."""
        vars(self._instance).update(self._fields)
