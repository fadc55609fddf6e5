"""
Trying: an instance as it was before something was done that is not kept.

How much an execution takes is known only after it, and so is whether a management call finds enough of everything.
Both are done, looked at, and taken back where they must wait or are refused. What is changed in place is copied; what
is a value stays.
"""

import copy
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from reference_impl.subnet.call_contexts import CallContexts, OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, History, InstalledCode
from reference_impl.subnet.ingress_history import IngressHistory
from reference_impl.subnet.observations import Recorder
from reference_impl.subnet.queues import Inbox, MessageQueues
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.identifiers import CanisterId

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

CANISTERS: Final = "canisters"
LASTING: Final = frozenset(("profile", "world", "ledger", "_loader", "_modules", "correspondence"))
"""What an instance has and no transition changes or takes away: modules that are known stay known."""


MAPPINGS: Final = (Counter, OrderedDict, dict)
_CHANGE: Final[dict[type, bool]] = {}
_SLOTS: Final[dict[type, tuple[str, ...]]] = {}
"""What was found out of classes."""


def copied(value: Copied) -> Copied:
    """The value, with everything in it copied that changes in place."""
    same: Any
    if isinstance(value, MAPPINGS):
        same = copy.copy(value)
        # Reason: mostly nothing in it changes in place, which is found out without looking at each.
        if any(map(_changes, set(map(type, same.values())))):
            for key, inner in same.items():
                same[key] = copied(inner)
        return same  # type: ignore[no-any-return]
    if isinstance(value, list | set):
        return type(value)(copied(inner) for inner in value)
    if isinstance(value, CHANGING):
        same = copy.copy(value)
        for name in _names(value):
            inner = getattr(same, name)
            if _changes(type(inner)):
                setattr(same, name, copied(inner))
        return same  # type: ignore[no-any-return]
    return value


def _changes(kind: type) -> bool:
    """What is of this class changes in place, or holds what does."""
    if kind not in _CHANGE:
        _CHANGE[kind] = issubclass(kind, (*CHANGING, *MAPPINGS, list, set))
    return _CHANGE[kind]


def _names(value: object) -> Iterable[str]:
    """The attributes that an object has, in slots or not."""
    return (*getattr(value, "__dict__", ()), *(name for name in _slots(type(value)) if hasattr(value, name)))


def _slots(kind: type) -> tuple[str, ...]:
    if kind not in _SLOTS:
        slots = (name for each in kind.__mro__ for name in getattr(each, "__slots__", ()))
        _SLOTS[kind] = tuple(name for name in slots if name[:2] != "__")
    return _SLOTS[kind]


class Savepoint:
    """An instance as it is now; it can be brought back once."""

    def __init__(self, instance: SubnetInstance, only: CanisterId | None = None) -> None:
        """If one canister is named, no other one changes until the instance is brought back."""
        self._instance = instance
        self._fields: dict[str, Any] = {
            name: copied(value) for name, value in vars(instance).items() if name not in LASTING and name != CANISTERS
        }
        self._fields[CANISTERS] = copied(instance.canisters) if only is None else dict(instance.canisters)
        if only is not None and only in instance.canisters:
            self._fields[CANISTERS][only] = copied(instance.canisters[only])

    def restore(self) -> None:
        """The instance is as it was; objects that were taken from it meanwhile are no part of it any more."""
        vars(self._instance).update(self._fields)
