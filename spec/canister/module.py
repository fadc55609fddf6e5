"""A canister module: pure functions from the state of a canister to an outcome."""

from typing import Protocol, runtime_checkable

from attrs import frozen

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Callback, Inspected, Outcome
from spec.canister.wasm_state import WasmState
from spec.values.canister_terms import GlobalType
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MethodName, Text
from spec.values.quantities import Count, Cycles, Instructions, Nanoseconds
from spec.values.rejects import Response


@frozen
class MalformedModule:
    """Bytes that are not a module that a canister may have."""

    because: Text


@defines("def.canister-module-functions")
class CanisterModule(Protocol):
    """
    The meaning of a module. Source: abstract-behavior, abstract canisters (`CanisterModule`).

    Every method is a pure function: equal arguments give equal outcomes, on every node. `wasm_state` is what the last
    successful execution left. A missing optional hook (init, pre_upgrade, post_upgrade) returns with its state
    unchanged and no instructions used; a missing method or system task traps with `NO_SUCH_METHOD`. No name is in two
    of the three sets of method names.
    """

    @property
    def has_64_bit_memory(self) -> bool:
        """Memory 0 has 64-bit addresses; instructions then cost twice as many cycles."""
        ...

    @property
    def instructions_to_compile(self) -> Instructions:
        """What installing is charged for compiling the module. Source: facts on weights, compilation."""
        ...

    @property
    def update_methods(self) -> frozenset[MethodName]: ...

    @property
    def query_methods(self) -> frozenset[MethodName]: ...

    @property
    def composite_query_methods(self) -> frozenset[MethodName]: ...

    @property
    def has_heartbeat(self) -> bool: ...

    @property
    def has_global_timer(self) -> bool: ...

    @property
    def has_on_low_wasm_memory(self) -> bool: ...

    @property
    def has_inspect_message(self) -> bool: ...

    @property
    def public_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:public NAME`, by NAME."""
        ...

    @property
    def private_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:private NAME`, by NAME."""
        ...

    @property
    def global_types(self) -> List[GlobalType]:
        """The types of the globals in `WasmState.globals`, in the same order."""
        ...

    def admits_heap(self, wasm_pages: Count) -> bool:
        """
        A heap of this size, in WebAssembly pages, is between the least and the greatest that the module declares; a
        module without memory admits the empty one only.
        """
        ...

    def initial_state(self, self_id: CanisterId) -> WasmState:
        """Initial heap (active data segments applied) and globals, empty stable memory; nothing has run."""
        ...

    def upgraded_state(self, before: WasmState, keep_wasm_memory: bool) -> WasmState:
        """
        The state in which an upgrade to this module starts: stable memory kept, globals initial, and the heap either
        kept (grown to the minimum that the module declares, data segments not applied) or initial. A heap that is kept
        may be one that the module does not admit.
        """
        ...

    def init(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_init`."""
        ...

    def pre_upgrade(self, wasm_state: WasmState, caller: Caller, environment: Environment) -> Outcome:
        """Runs `canister_pre_upgrade`."""
        ...

    def post_upgrade(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_post_upgrade`."""
        ...

    def update(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        deadline: Nanoseconds | None,
        environment: Environment,
        available_cycles: Cycles,
        needs_to_respond: bool = True,
    ) -> Outcome:
        """Runs `canister_update NAME`."""
        ...

    def query(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        environment: Environment,
        available_cycles: Cycles,
    ) -> Outcome:
        """Runs `canister_query NAME`. Only the response, accepted cycles and use of instructions count."""
        ...

    def callback(
        self,
        callback: Callback,
        response: Response,
        refunded_cycles: Cycles,
        wasm_state: WasmState,
        caller: Caller,
        deadline: Nanoseconds | None,
        environment: Environment,
        available_cycles: Cycles,
        needs_to_respond: bool,
    ) -> Outcome:
        """
        Runs the reply or reject closure; if that traps and there is a cleanup closure, runs it on the state before,
        with what is left of the instruction limit (of which 5 percent are kept for it).
        """
        ...

    def heartbeat(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_heartbeat`."""
        ...

    def global_timer(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_global_timer`."""
        ...

    def on_low_wasm_memory(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_on_low_wasm_memory`."""
        ...

    def inspect_message(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment
    ) -> Inspected:
        """Runs `canister_inspect_message`, on one node. A module without it accepts every message."""
        ...


@runtime_checkable
class CompositeQueries(Protocol):
    """
    What composite queries need of a module. Source: abstract-behavior, abstract canisters (`composite_query_methods`
    and `composite_callbacks` of `CanisterModule`).

    It is apart from `CanisterModule` because no transition needs it: an engine without composite queries has no use
    for it. The new state of an outcome lasts until the end of the query call.
    """

    def composite_query(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        environment: Environment,
    ) -> Outcome:
        """Runs `canister_composite_query NAME`."""
        ...

    def composite_callback(
        self,
        callback: Callback,
        response: Response,
        wasm_state: WasmState,
        caller: Caller,
        environment: Environment,
        needs_to_respond: bool,
    ) -> Outcome:
        """Runs the reply or reject closure, and the cleanup closure if that traps, as `callback` does."""
        ...
