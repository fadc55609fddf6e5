"""One module on both engines: refused by both or by none, and every execution of it has the same outcome."""

from typing import TypeVar

from attrs import evolve, frozen

from properties.agreement.difference import difference
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from spec.canister.environment import Caller, Environment, SimpleStatus
from spec.canister.module import MalformedModule
from spec.canister.outcome import Callback, Outcome, SystemRecord, TrapCause, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SubnetId
from spec.values.quantities import Cycles
from spec.values.rejects import Response

SELF = CanisterId(bytes(8) + b"\x01\x01")
USER = Caller(Principal(b"a user"))

DECLARED = (
    "has_64_bit_memory",
    "instructions_to_compile",
    "update_methods",
    "query_methods",
    "composite_query_methods",
    "has_heartbeat",
    "has_global_timer",
    "has_on_low_wasm_memory",
    "has_inspect_message",
    "public_custom_sections",
    "private_custom_sections",
    "global_types",
)
"""What both sides must say of a module."""

HEAP_SIZES = (0, 1, 2, 3, 2**16 - 1, 2**16, 2**16 + 1)
"""In WebAssembly pages; which of them a module admits must be equal too."""


_Value = TypeVar("_Value")


class Differ(AssertionError):
    """The engines do not agree; the message says where."""


def running_canister(profile: Profile) -> Environment:
    """An environment of an update call on a subnet of the reference size."""
    return Environment(
        profile=profile,
        instruction_limit=profile.limits.message_instructions,
        time=1_700_000_000_000_000_000,
        controllers=List.of(USER.principal),
        global_timer=0,
        balance=10**14,
        reserved_balance=0,
        reserved_balance_limit=profile.defaults.reserved_cycles_limit,
        compute_allocation=0,
        memory_allocation=0,
        memory_usage_raw_module=1000,
        memory_usage_canister_history=0,
        memory_usage_chunk_store=0,
        memory_usage_snapshots=0,
        freezing_threshold=profile.defaults.freezing_threshold,
        subnet_id=SubnetId(b"\x01"),
        subnet_size=profile.fees.reference_subnet_size,
        root_key=b"",
        certificate=None,
        status=SimpleStatus.RUNNING,
        canister_version=1,
    )


@frozen
class ModulePair:
    """A module as both engines have it. Each call compares the outcomes and gives the one of the specification."""

    specification: WasmCanisterModule
    reference: WasmtimeModule

    def initial_state(self) -> WasmState:
        """The state in which nothing has run."""
        return _same(self.specification.initial_state(SELF), self.reference.initial_state(SELF), "initial state")

    def install(self, argument: Blob, environment: Environment) -> Outcome:
        """The start function and `canister_init`."""
        state = self.initial_state()
        return _same_outcome(
            self.specification.init(state, argument, USER, environment),
            self.reference.init(state, argument, USER, environment),
        )

    def update(
        self,
        method: MethodName,
        state: WasmState,
        environment: Environment,
        argument: Blob = b"",
        available_cycles: Cycles = 0,
    ) -> Outcome:
        """An update call."""
        return _same_outcome(
            self.specification.update(method, state, argument, USER, None, environment, available_cycles),
            self.reference.update(method, state, argument, USER, None, environment, available_cycles),
        )

    def query(self, method: MethodName, state: WasmState, environment: Environment, argument: Blob = b"") -> Outcome:
        """A query call."""
        return _same_outcome(
            self.specification.query(method, state, argument, USER, environment, 0),
            self.reference.query(method, state, argument, USER, environment, 0),
        )

    def callback(
        self, callback: Callback, response: Response, state: WasmState, environment: Environment, refund: Cycles = 0
    ) -> Outcome:
        """The handling of a response."""
        return _same_outcome(
            self.specification.callback(callback, response, refund, state, USER, None, environment, 0, True),
            self.reference.callback(callback, response, refund, state, USER, None, environment, 0, True),
        )

    def post_upgrade(self, state: WasmState, environment: Environment, argument: Blob = b"") -> Outcome:
        """The start function and `canister_post_upgrade`."""
        return _same_outcome(
            self.specification.post_upgrade(state, argument, USER, environment),
            self.reference.post_upgrade(state, argument, USER, environment),
        )

    def upgraded_state(self, before: WasmState, keep_wasm_memory: bool) -> WasmState:
        """The state in which an upgrade starts."""
        return _same(
            self.specification.upgraded_state(before, keep_wasm_memory),
            self.reference.upgraded_state(before, keep_wasm_memory),
            "upgraded state",
        )


def load_pair(raw: Blob, profile: Profile) -> ModulePair | None:
    """The module on both engines, None if both refuse it. Raises `Differ`."""
    specification, reference = parse_module(raw, profile), load_module(raw, profile)
    if isinstance(specification, MalformedModule):
        if not isinstance(reference, MalformedModule):
            raise Differ(f"only the specification refuses the module: {specification.because}")
        return None
    if isinstance(reference, MalformedModule):
        raise Differ(f"only the reference implementation refuses the module: {reference.because}")
    for name in DECLARED:
        _same(getattr(specification, name), getattr(reference, name), name)
    for pages in HEAP_SIZES:
        _same(specification.admits_heap(pages), reference.admits_heap(pages), f"a heap of {pages} pages")
    return ModulePair(specification, reference)


def _same(left: _Value, right: _Value, what: str) -> _Value:
    found = difference(left, right, what)
    if found is not None:
        raise Differ(found)
    return left


def _same_outcome(left: Outcome, right: Outcome) -> Outcome:
    """Messages of traps are for people and differ, unless `ic0.trap` gave them; what made code trap is the same."""
    found = difference(_without_message(left), _without_message(right), "outcome")
    found = found or difference(_causes(left), _causes(right), "causes of traps")
    if found is not None:
        raise Differ(found)
    return left


def _causes(outcome: Outcome) -> list[TrapCause | None]:
    return [entry.cause for entry in outcome.logs if isinstance(entry, SystemRecord)]


def _without_message(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Trapped):
        return evolve(outcome, message="") if outcome.reason is TrapReason.TRAPPED else outcome
    trapped = outcome.cleaned_up_after
    return outcome if trapped is None else evolve(outcome, cleaned_up_after=evolve(trapped, message=""))
