"""
Answers to queries that are kept, and told again as long as they would be the same.

What a query method gives depends on who asks what, on the state, the settings and the code of its canister, and on what
it has learned of what changes by itself: time, balances, version. Executions that are not replicated note what of that
they were told. Methods that have asked for a certificate are run each time, and so are composite ones.
"""

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
"""What an answer takes beside the blobs of its query and of itself, about."""

BALANCE: Final = ("canister_cycle_balance", "canister_cycle_balance128", "canister_liquid_cycle_balance128")
TOLD_BY: Final[Mapping[Text, tuple[Text, ...]]] = {
    "time": ("time",),
    "canister_version": ("canister_version",),
    "balance": BALANCE,
    "reserved_balance": BALANCE,
}
"""What changes by itself, as environments call it, and the system functions by which code learns it."""
CERTIFICATE: Final = frozenset({"data_certificate_present", "data_certificate_size", "data_certificate_copy"})


@frozen
class Question:
    """Who asks what."""

    canister_id: CanisterId
    method_name: MethodName
    argument: Blob
    caller: Caller


@frozen(eq=False)
class _Kept:
    """An answer, and all that it depends on beside the question."""

    response: Response
    standing: Standing
    installed: InstalledModule
    state: WasmState
    learned: Mapping[Text, int]
    size: ByteCount

    def holds(self, instance: SubnetInstance, canister: CanisterRecord) -> bool:
        """The method would give the same now."""
        code = canister.code
        return (
            code is not None
            and code.wasm_state is self.state
            and code.installed is self.installed
            and instance.standing(canister) is self.standing
            and all(_now(canister, name) == value for name, value in self.learned.items())
        )


def _now(canister: CanisterRecord, name: Text) -> int:
    """What changes by itself, as it is now."""
    values = {
        "time": canister.time,
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

    def find(self, instance: SubnetInstance, canister: CanisterRecord, question: Question) -> Response | None:
        """The answer, if it is kept and holds."""
        with self._lock:
            kept = self._kept.get(question)
            if kept is None:
                return None
            if not kept.holds(instance, canister):
                self._forget(question)
                return None
            self._kept.move_to_end(question)
            self.told += 1
            return kept.response

    def keep(
        self, canister: CanisterRecord, question: Question, seen: KeptEnvironment, standing: Standing, told: Response
    ) -> None:
        """What a method has just told, in an environment of the canister as it stands."""
        code, asked = canister.code, seen.asked
        assert code is not None, "only canisters with code are asked"
        if asked is None or asked & CERTIFICATE:
            return
        learned = {name: _now(canister, name) for name, by in TOLD_BY.items() if asked.intersection(by)}
        size = FIXED_SIZE + len(question.argument) + len(told.data if isinstance(told, Reply) else told.message)
        if size > self._most_bytes:
            return
        with self._lock:
            self._forget(question)
            self._kept[question] = _Kept(told, standing, code.installed, code.wasm_state, learned, size)
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, question: Question) -> None:
        kept = self._kept.pop(question, None)
        if kept is not None:
            self._bytes -= kept.size
