"""
Answers to queries that are kept, and told again as long as they would be the same.

What a query method gives depends on who asks what, on the state, the settings and the code of its canister, and on what
it has learned of what changes by itself: time, balances, version. Executions that are not replicated note what of that
they were told. A composite query depends on the same of every canister that it reaches, also where one does not answer:
whether it is there, runs, has code, and is not frozen. Queries that have asked for a certificate, or the management
canister, are run each time.
"""

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final

from attrs import frozen

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.subnet.canister_record import CanisterRecord, InstalledModule, Standing
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.canister.wasm_state import WasmState
from spec.values.identifiers import Blob, CanisterId, MethodName, Text
from spec.values.quantities import ByteCount, Count
from spec.values.rejects import Reply, Response

USUAL_BYTES: Final[ByteCount] = 64 << 20
"""What all answers together may take. Answers that were told longest ago go first."""
FIXED_SIZE: Final[ByteCount] = 500
"""What an answer takes for each canister that it depends on, beside the blobs of its query and of itself, about."""

BALANCE: Final = (
    "canister_cycle_balance",
    "canister_cycle_balance128",
    "canister_liquid_cycle_balance128",
    "call_perform",
)
TOLD_BY: Final[Mapping[Text, tuple[Text, ...]]] = {
    "time": ("time",),
    "canister_version": ("canister_version",),
    "balance": BALANCE,
    "reserved_balance": BALANCE,
}
"""
What changes by itself, as environments call it, and the system functions by which code learns it: also that it has too
little for a call that was not performed.
"""
CERTIFICATE: Final = frozenset({"data_certificate_present", "data_certificate_size", "data_certificate_copy"})


@frozen
class Question:
    """Who asks what."""

    canister_id: CanisterId
    method_name: MethodName
    argument: Blob
    caller: Caller


class Reads:
    """What a query reads, while it runs."""

    def __init__(self) -> None:
        self.asked: dict[CanisterId, set[Text]] = {}
        """By the canisters that it has reached, which need not be there: by which functions they learned something."""
        self.may_change = False
        """Something was read of which it is not known here when it changes."""

    def reach(self, canister_id: CanisterId) -> None:
        """A canister is asked."""
        self.asked.setdefault(canister_id, set())

    def learn(self, canister_id: CanisterId, seen: KeptEnvironment) -> None:
        """An execution of a canister that was reached has ended, in an environment."""
        if seen.asked is None or seen.asked & CERTIFICATE:
            self.may_change = True
        else:
            self.asked[canister_id] |= seen.asked


@frozen(eq=False)
class _Read:
    """All of a canister that an answer depends on."""

    canister_id: CanisterId
    standing: Standing | None
    """None if there was no such canister."""
    installed: InstalledModule | None = None
    """None if it had no code."""
    state: "weakref.ref[WasmState] | None" = None
    """Reason for the reference: answers must not keep the pages of old states."""
    is_frozen: bool = False
    learned: Mapping[Text, int] = {}

    @classmethod
    def of(cls, instance: SubnetInstance, canister_id: CanisterId, asked: set[Text]) -> "_Read":
        """What can be read now, by a query whose executions learned something by these functions."""
        canister = instance.canisters.get(canister_id)
        if canister is None:
            return cls(canister_id, None)
        code = canister.code
        return cls(
            canister_id,
            instance.standing(canister),
            None if code is None else code.installed,
            None if code is None else weakref.ref(code.wasm_state),
            instance.liquid(canister) < 0,
            {name: _now(instance, canister, name) for name, by in TOLD_BY.items() if not asked.isdisjoint(by)},
        )

    def holds(self, instance: SubnetInstance) -> bool:
        """A query would read the same now."""
        canister = instance.canisters.get(self.canister_id)
        if canister is None or self.standing is None:
            return canister is None and self.standing is None
        if instance.standing(canister) is not self.standing or (instance.liquid(canister) < 0) is not self.is_frozen:
            return False
        code = canister.code
        if code is None or self.state is None:
            return code is None and self.state is None
        return (
            code.wasm_state is self.state()
            and code.installed is self.installed
            and all(_now(instance, canister, name) == value for name, value in self.learned.items())
        )


@frozen(eq=False)
class _Kept:
    """An answer, and all that it depends on beside the question."""

    response: Response
    reads: tuple[_Read, ...]
    size: ByteCount

    def holds(self, instance: SubnetInstance) -> bool:
        """The query would give the same now."""
        return all(one.holds(instance) for one in self.reads)


def _now(instance: SubnetInstance, canister: CanisterRecord, name: Text) -> int:
    """What changes by itself, as it is now."""
    values = {
        "time": instance.time_of(canister),
        "canister_version": canister.version,
        "balance": canister.balance,
        "reserved_balance": canister.reserved_balance,
    }
    return values[name]


class KeptAnswers:
    """For one instance. Several threads may use them."""

    def __init__(self, most_bytes: ByteCount = USUAL_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Question, _Kept] = OrderedDict()
        self._bytes: ByteCount = 0
        self._lock = Lock()
        self.told: Count = 0
        """How often a kept answer was told."""

    @property
    def bytes(self) -> ByteCount:
        """What the answers take, about."""
        return self._bytes

    def find(self, instance: SubnetInstance, question: Question) -> Response | None:
        """The answer, if it is kept and holds."""
        with self._lock:
            kept = self._kept.get(question)
            if kept is None:
                return None
            if not kept.holds(instance):
                self._forget(question)
                return None
            self._kept.move_to_end(question)
            self.told += 1
            return kept.response

    def keep(self, instance: SubnetInstance, question: Question, reads: Reads, told: Response) -> None:
        """What a query has just told, which has read no more than this of the instance as it is."""
        if reads.may_change:
            return
        read = tuple(_Read.of(instance, one, asked) for one, asked in reads.asked.items())
        size = FIXED_SIZE * len(read) + len(question.argument)
        size += len(told.data if isinstance(told, Reply) else told.message)
        if size > self._most_bytes:
            return
        with self._lock:
            self._forget(question)
            self._kept[question] = _Kept(told, read, size)
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, question: Question) -> None:
        kept = self._kept.pop(question, None)
        if kept is not None:
            self._bytes -= kept.size
