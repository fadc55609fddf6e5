"""
The canister module that a WebAssembly module is: `CanisterModule` by the interpreter and the System API.

Source: abstract-behavior, the concrete `CanisterModule`. Composite queries and transformations of responses to outcalls
are additional to that protocol.
"""

from functools import cached_property, lru_cache
from typing import Final

from attrs import evolve, frozen

from spec.canister.environment import Caller, Environment
from spec.canister.module import MalformedModule
from spec.canister.outcome import Callback, Inspected, LogEntry, Outcome, Returned, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.system_api.compilation import instructions_to_compile
from spec.system_api.context import Context
from spec.system_api.execution_state import Parameters
from spec.system_api.requirements import COMPOSITE_QUERY, QUERY, UPDATE, DecodedModule, decode_module
from spec.system_api.run import Ending, run_closure, run_function
from spec.values.canister_terms import GlobalType
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Text
from spec.values.quantities import Count, Cycles, Instructions, Nanoseconds
from spec.values.rejects import Reject, Reply, Response
from spec.wasm.initial import initial_memory, initial_state
from spec.wasm.syntax import ExternalKind, Module
from spec.wasm.traps import Trap

SYSTEM: Final = Caller(MANAGEMENT_CANISTER)
"""The caller of system tasks."""

PAGES_WITH_32_BIT_ADDRESSES: Final[Count] = 65_536
"""The largest memory with 32-bit addresses. Source: core specification, memory types."""

NO_SUCH_METHOD: Final = Trapped(0, TrapReason.NO_SUCH_METHOD)


@frozen(eq=False, slots=False)
@defines("seed2.wasm-instance")
class WasmCanisterModule:
    """A module that fulfils the requirements of the interface specification, as pure functions."""

    decoded: DecodedModule
    initial: WasmState
    """The state with which it starts, for a canister without id."""

    @property
    def module(self) -> Module:
        """The WebAssembly module."""
        return self.decoded.module

    # What the module declares.

    @property
    def has_64_bit_memory(self) -> bool:
        """Memory 0 has 64-bit addresses."""
        return self.module.has_64_bit_memory

    @cached_property
    def instructions_to_compile(self) -> Instructions:
        """What installing is charged for compiling the module."""
        known = self.decoded.known
        return instructions_to_compile(self.module) if known is None else known.instructions_to_compile

    @cached_property
    def update_methods(self) -> frozenset[MethodName]:
        """The names of exports `canister_update NAME`."""
        return self._methods(UPDATE)

    @cached_property
    def query_methods(self) -> frozenset[MethodName]:
        """The names of exports `canister_query NAME`."""
        return self._methods(QUERY)

    @cached_property
    def composite_query_methods(self) -> frozenset[MethodName]:
        """The names of exports `canister_composite_query NAME`."""
        return self._methods(COMPOSITE_QUERY)

    @property
    def has_heartbeat(self) -> bool:
        """`canister_heartbeat` is exported."""
        return self.entry_point("canister_heartbeat") is not None

    @property
    def has_global_timer(self) -> bool:
        """`canister_global_timer` is exported."""
        return self.entry_point("canister_global_timer") is not None

    @property
    def has_on_low_wasm_memory(self) -> bool:
        """`canister_on_low_wasm_memory` is exported."""
        return self.entry_point("canister_on_low_wasm_memory") is not None

    @property
    def has_inspect_message(self) -> bool:
        """`canister_inspect_message` is exported."""
        return self.entry_point("canister_inspect_message") is not None

    @property
    def public_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:public NAME`, by NAME."""
        return self.decoded.public_custom_sections

    @property
    def private_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:private NAME`, by NAME."""
        return self.decoded.private_custom_sections

    @property
    def global_types(self) -> List[GlobalType]:
        """The types of the globals that a state holds."""
        types = (self.module.globals[index].value_type for index in self.module.persistent_global_indices)
        # A reference is kept as the index of its function.
        return List(tuple(GlobalType.I32 if kind.is_reference else GlobalType(kind.value) for kind in types))

    def admits_heap(self, wasm_pages: Count) -> bool:
        """The size is within the limits of memory 0."""
        if not self.module.memories:
            return wasm_pages == 0
        limits = self.module.memories[0].limits
        addressable = wasm_pages if limits.is_64_bit else PAGES_WITH_32_BIT_ADDRESSES
        maximum = addressable if limits.maximum is None else limits.maximum
        return limits.minimum <= wasm_pages <= maximum

    @defines("seed2.function-lookup")
    def entry_point(self, export: Text) -> int | None:
        """The index of an exported function."""
        return self.module.exported(export, ExternalKind.FUNCTION)

    def _methods(self, kind: Text) -> frozenset[MethodName]:
        return frozenset(name for known, name in self.decoded.methods if known == kind)

    # States.

    def initial_state(self, self_id: CanisterId) -> WasmState:
        """Initial heap and globals, empty stable memory; nothing has run."""
        return evolve(self.initial, self_id=self_id)

    @defines("seed1.upgrade-clears-heap", "seed1.large-state-in-stable", "seed2.upgrade-memories")
    def upgraded_state(self, before: WasmState, keep_wasm_memory: bool) -> WasmState:
        """The state in which an upgrade to this module starts."""
        heap = self.initial.wasm_memory
        if keep_wasm_memory:
            kept = before.wasm_memory
            heap = kept.with_pages(max(kept.wasm_pages, heap.wasm_pages), ())
        return evolve(before, wasm_memory=heap, globals=self.initial.globals)

    # Hooks of installation and upgrade.

    @defines("entry.init")
    def init(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_init`."""
        parameters = Parameters(environment, caller=caller, argument=argument)
        return self._start_and("canister_init", parameters, wasm_state)

    @defines("entry.pre-upgrade")
    def pre_upgrade(self, wasm_state: WasmState, caller: Caller, environment: Environment) -> Outcome:
        """Runs `canister_pre_upgrade`. A timer that it sets has no effect."""
        function = self.entry_point("canister_pre_upgrade")
        if function is None:
            return Returned(wasm_state, 0)
        outcome = self._run(function, Context.PRE_UPGRADE, Parameters(environment, caller=caller), wasm_state)
        return evolve(outcome, new_global_timer=None) if isinstance(outcome, Returned) else outcome

    @defines("entry.post-upgrade")
    def post_upgrade(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_post_upgrade`."""
        parameters = Parameters(environment, caller=caller, argument=argument)
        return self._start_and("canister_post_upgrade", parameters, wasm_state)

    @defines("entry.start", "module.start-function")
    def _start_and(self, hook: Text, parameters: Parameters, wasm_state: WasmState) -> Outcome:
        """Changed pages are charged for each of the two functions by itself."""
        limit = parameters.environment.instruction_limit
        started = Returned(wasm_state, 0)
        if self.module.start is not None:
            start_parameters = Parameters(parameters.environment)
            outcome = self._run(self.module.start, Context.START, start_parameters, wasm_state)
            if isinstance(outcome, Trapped):
                return outcome
            started = outcome
        function = self.entry_point(hook)
        if function is None:
            return started
        finished = run_function(
            self.module,
            function,
            Context.INIT,
            evolve(parameters, growths_before=started.tried_growths),
            started.new_state,
            limit - started.instructions_used,
        )
        return _after(started.instructions_used, started.logs, finished.outcome())

    # Methods and system tasks.

    @defines("entry.update")
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
        parameters = Parameters(
            environment,
            caller=caller,
            argument=argument,
            deadline=deadline,
            available_cycles=available_cycles,
            needs_to_respond=needs_to_respond,
        )
        return self._run(self.entry_point(UPDATE + method_name), Context.UPDATE, parameters, wasm_state)

    @defines("entry.query")
    def query(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        environment: Environment,
        available_cycles: Cycles,
    ) -> Outcome:
        """Runs `canister_query NAME`. The state stays as it was."""
        context = Context.REPLICATED_QUERY if environment.replicated else Context.NON_REPLICATED_QUERY
        parameters = Parameters(environment, caller=caller, argument=argument, available_cycles=available_cycles)
        outcome = self._run(self.entry_point(QUERY + method_name), context, parameters, wasm_state)
        return evolve(outcome, new_state=wasm_state) if isinstance(outcome, Returned) else outcome

    @defines("entry.transform")
    def transform(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, environment: Environment
    ) -> Outcome:
        """Runs `canister_query NAME` on the response to an HTTPS outcall, on each node. The state stays as it was."""
        parameters = Parameters(evolve(environment, certificate=None), caller=SYSTEM, argument=argument)
        outcome = self._run(self.entry_point(QUERY + method_name), Context.TRANSFORM_QUERY, parameters, wasm_state)
        return evolve(outcome, new_state=wasm_state) if isinstance(outcome, Returned) else outcome

    @defines("entry.composite-query")
    def composite_query(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        environment: Environment,
    ) -> Outcome:
        """Runs `canister_composite_query NAME`. Its state lives until the end of the query call."""
        parameters = Parameters(environment, caller=caller, argument=argument)
        function = self.entry_point(COMPOSITE_QUERY + method_name)
        return self._run(function, Context.COMPOSITE_QUERY, parameters, wasm_state)

    @defines("entry.heartbeat")
    def heartbeat(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_heartbeat`."""
        return self._system_task("canister_heartbeat", wasm_state, environment)

    @defines("entry.global-timer")
    def global_timer(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_global_timer`."""
        return self._system_task("canister_global_timer", wasm_state, environment)

    @defines("entry.on-low-wasm-memory")
    def on_low_wasm_memory(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_on_low_wasm_memory`."""
        return self._system_task("canister_on_low_wasm_memory", wasm_state, environment)

    @defines("entry.inspect-message")
    def inspect_message(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment
    ) -> Inspected:
        """Runs `canister_inspect_message`; without it every message is accepted."""
        function = self.entry_point("canister_inspect_message")
        if function is None:
            return Inspected(accepts=True)
        parameters = Parameters(environment, caller=caller, argument=argument, method_name=method_name)
        limit = environment.instruction_limit
        finished = run_function(self.module, function, Context.INSPECT_MESSAGE, parameters, wasm_state, limit)
        returns, execution = finished.ending is Ending.RETURNS, finished.execution
        return Inspected(returns and execution.message_accepted, not returns, execution.growths_tried)

    def _system_task(self, export: Text, wasm_state: WasmState, environment: Environment) -> Outcome:
        parameters = Parameters(environment, caller=SYSTEM)
        return self._run(self.entry_point(export), Context.SYSTEM_TASK, parameters, wasm_state)

    def _run(self, function: int | None, context: Context, parameters: Parameters, wasm_state: WasmState) -> Outcome:
        if function is None:
            return NO_SUCH_METHOD
        limit = parameters.environment.instruction_limit
        return run_function(self.module, function, context, parameters, wasm_state, limit).outcome()

    # Callbacks.

    @defines("entry.reply-callback", "entry.reject-callback")
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
        """Runs the reply or reject closure; if that traps, the cleanup closure on the state before."""
        parameters = Parameters(
            environment,
            caller=caller,
            argument=response.data if isinstance(response, Reply) else b"",
            reject=response if isinstance(response, Reject) else None,
            refunded_cycles=refunded_cycles,
            deadline=deadline,
            available_cycles=available_cycles,
            needs_to_respond=needs_to_respond,
        )
        is_reply = isinstance(response, Reply)
        context = Context.REPLY_CALLBACK if is_reply else Context.REJECT_CALLBACK
        return self._callback(callback, is_reply, context, Context.CLEANUP, parameters, wasm_state)

    @defines("entry.composite-callbacks")
    def composite_callback(
        self,
        callback: Callback,
        response: Response,
        wasm_state: WasmState,
        caller: Caller,
        environment: Environment,
        needs_to_respond: bool,
    ) -> Outcome:
        """The same for a call made by a composite query: without cycles and deadline."""
        parameters = Parameters(
            environment,
            caller=caller,
            argument=response.data if isinstance(response, Reply) else b"",
            reject=response if isinstance(response, Reject) else None,
            needs_to_respond=needs_to_respond,
        )
        is_reply = isinstance(response, Reply)
        context = Context.COMPOSITE_REPLY_CALLBACK if is_reply else Context.COMPOSITE_REJECT_CALLBACK
        return self._callback(callback, is_reply, context, Context.COMPOSITE_CLEANUP, parameters, wasm_state)

    @defines("entry.cleanup-callback", "inv.cleanup-iff-trap", "unspec.env.cleanup-limit")
    def _callback(
        self,
        callback: Callback,
        is_reply: bool,
        context: Context,
        cleanup_context: Context,
        parameters: Parameters,
        wasm_state: WasmState,
    ) -> Outcome:
        """A part of the limit is kept for the cleanup closure, which gets all that the callback left."""
        environment = parameters.environment
        limit = environment.instruction_limit
        kept = limit * environment.profile.limits.cleanup_reserve // 100
        closure = callback.on_reply if is_reply else callback.on_reject
        outcome = run_closure(self.module, closure, context, parameters, wasm_state, limit - kept).outcome()
        if isinstance(outcome, Returned) or callback.on_cleanup is None:
            return outcome
        # A cleanup closure makes no calls.
        used = outcome.instructions_used
        cleaned_up = run_closure(
            self.module,
            callback.on_cleanup,
            cleanup_context,
            evolve(parameters, available_cycles=0, growths_before=outcome.tried_growths),
            wasm_state,
            limit - used,
        ).outcome()
        both = _after(used, outcome.logs, cleaned_up)
        if isinstance(both, Returned):
            return evolve(both, cleaned_up_after=outcome)
        return evolve(both, reason=outcome.reason, message=outcome.message, made_calls=outcome.made_calls)


def _after(instructions: Instructions, logs: tuple[LogEntry, ...], outcome: Outcome) -> Outcome:
    """An outcome, with the instructions and logs of an invocation just before it."""
    return evolve(outcome, instructions_used=instructions + outcome.instructions_used, logs=logs + outcome.logs)


KNOWN_MODULES: Final = 256
"""How many modules are kept parsed; a run over thousands of modules needs no more memory for it."""


@lru_cache(maxsize=KNOWN_MODULES)
def parse_module(raw: Blob, profile: Profile) -> WasmCanisterModule | MalformedModule:
    """The module that some bytes are. What is derived from a module is derived once while it is in use."""
    return _parse(raw, profile)


def _parse(raw: Blob, profile: Profile) -> WasmCanisterModule | MalformedModule:
    decoded = decode_module(raw, profile)
    if isinstance(decoded, MalformedModule):
        return decoded
    module = decoded.module
    try:
        heap, values = initial_memory(module), initial_state(module).globals
    except Trap as trap:
        return MalformedModule(f"the module cannot be instantiated: {trap.reason}")
    kept = tuple(values[index] for index in module.persistent_global_indices)
    return WasmCanisterModule(decoded, WasmState(MANAGEMENT_CANISTER, heap, globals=kept))
