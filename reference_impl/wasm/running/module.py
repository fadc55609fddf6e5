"""A canister module on wasmtime: the reference implementation's `CanisterModule`."""

import hashlib
import threading
from collections import OrderedDict
from typing import Final

import wasmtime
from attrs import evolve, field, frozen

from reference_impl.wasm.instances.instance import CompiledModule, Entry
from reference_impl.wasm.instances.wasmtime_engine import accepting_engine, engine
from reference_impl.wasm.layout.encoding import Malformed
from reference_impl.wasm.layout.parsed_module import F32, F64, I32, I64, KIND_FUNCTION, V128, ParsedModule, parse
from reference_impl.wasm.layout.system_functions import Context
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import Instrumented, instrument
from reference_impl.wasm.rewriting.requirements import (
    CustomSections,
    Methods,
    canister_sections,
    check_globals,
    check_imports,
    check_sizes,
    exported_methods,
    most_pages,
    unpacked,
)
from reference_impl.wasm.running import kept_modules, runtime
from reference_impl.wasm.running.runtime import Finished
from reference_impl.wasm.system_api.functions import linker
from reference_impl.wasm.system_api.given import SYSTEM, Given
from spec.canister.environment import Caller, Environment
from spec.canister.module import MalformedModule
from spec.canister.outcome import Callback, Closure, Inspected, Outcome, Returned, SystemRecord, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Limits, Profile
from spec.values.canister_terms import GlobalType
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MethodName, Text
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, Count, Cycles, Instructions, Nanoseconds
from spec.values.rejects import Reject, Reply, Response

COMPILATION_BASE: Final[Instructions] = 20_000_000
COMPILATION_PER_INSTRUCTION: Final[Instructions] = 6_000
"""Source: facts on instruction weights, compilation."""

CACHED_MODULES: Final = 256
"""How many compiled modules are kept."""

PAGES_OF_32_BITS: Final[Count] = 2**16
"""What 32-bit addresses reach."""

_GLOBAL_TYPES: Final = {
    I32: GlobalType.I32,
    I64: GlobalType.I64,
    F32: GlobalType.F32,
    F64: GlobalType.F64,
    V128: GlobalType.V128,
}


@frozen(eq=False)
class WasmtimeModule:
    """A WebAssembly module, rewritten once and run by wasmtime."""

    compiled: CompiledModule
    methods: Methods
    sections: CustomSections
    exports: frozenset[Text]
    """The names of all exported functions."""
    initial_heap: LinearMemory
    initial_globals: tuple[int, ...]
    has_64_bit_memory: bool = field(init=False)
    """Memory 0 has 64-bit addresses."""
    has_inspect_message: bool = field(init=False)
    """The module exports `canister_inspect_message`."""
    update_methods: frozenset[MethodName] = field(init=False)
    """The names of the update methods."""
    query_methods: frozenset[MethodName] = field(init=False)
    """The names of the query methods."""

    @has_64_bit_memory.default
    def _has_64_bit_memory(self) -> bool:
        return self.compiled.parsed.has_64_bit_memory

    @has_inspect_message.default
    def _has_inspect_message(self) -> bool:
        return "canister_inspect_message" in self.exports

    @update_methods.default
    def _update_methods(self) -> frozenset[MethodName]:
        return self.methods.update

    @query_methods.default
    def _query_methods(self) -> frozenset[MethodName]:
        return self.methods.query

    @property
    def imported_functions(self) -> frozenset[Text]:
        """The names of all functions that the module imports."""
        return frozenset(each.name for each in self.compiled.parsed.imports)

    @property
    def instructions_to_compile(self) -> Instructions:
        """
        What installing is charged for compiling.

        The code that production puts in place of imported stable-memory functions is left out: its size is not known.
        """
        count = self.compiled.instrumented.instructions_in_instrumented_code
        return COMPILATION_BASE + COMPILATION_PER_INSTRUCTION * count

    @property
    def composite_query_methods(self) -> frozenset[MethodName]:
        """The names of the composite query methods."""
        return self.methods.composite_query

    @property
    def has_heartbeat(self) -> bool:
        """The module exports `canister_heartbeat`."""
        return "canister_heartbeat" in self.exports

    @property
    def has_global_timer(self) -> bool:
        """The module exports `canister_global_timer`."""
        return "canister_global_timer" in self.exports

    @property
    def has_on_low_wasm_memory(self) -> bool:
        """The module exports `canister_on_low_wasm_memory`."""
        return "canister_on_low_wasm_memory" in self.exports

    @property
    def public_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:public NAME`, by NAME."""
        return Map.of(self.sections.public.items())

    @property
    def private_custom_sections(self) -> Map[Text, Blob]:
        """Contents of the sections named `icp:private NAME`, by NAME."""
        return Map.of(self.sections.private.items())

    @property
    def global_types(self) -> List[GlobalType]:
        """The types of the globals that a state holds."""
        parsed = self.compiled.parsed
        return List(tuple(_GLOBAL_TYPES[parsed.globals[index].value_type] for index in parsed.persistent_globals()))

    def admits_heap(self, wasm_pages: Count) -> bool:
        """The size is within the limits that the memory declares."""
        memory = self.compiled.parsed.memory
        if memory is None:
            return wasm_pages == 0
        most = wasm_pages if memory.is_64_bit else PAGES_OF_32_BITS
        return memory.minimum <= wasm_pages <= (most if memory.maximum is None else memory.maximum)

    def initial_state(self, self_id: CanisterId) -> WasmState:
        """Initial heap and globals, empty stable memory."""
        return WasmState(self_id, self.initial_heap, LinearMemory(), self.initial_globals)

    def upgraded_state(self, before: WasmState, keep_wasm_memory: bool) -> WasmState:
        """The state in which an upgrade to this module starts."""
        heap = self.initial_heap
        if keep_wasm_memory:
            pages = max(before.wasm_memory.wasm_pages, self.initial_heap.wasm_pages)
            heap = before.wasm_memory.with_pages(pages, ())
        return WasmState(before.self_id, heap, before.stable_memory, self.initial_globals)

    def init(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_init`."""
        return self._started("canister_init", wasm_state, argument, caller, environment)

    def pre_upgrade(self, wasm_state: WasmState, caller: Caller, environment: Environment) -> Outcome:
        """Runs `canister_pre_upgrade`."""
        if "canister_pre_upgrade" not in self.exports:
            return Returned(wasm_state, 0)
        given = Given(Context.PRE_UPGRADE, environment, environment.instruction_limit, caller=caller)
        outcome = self._execute("canister_pre_upgrade", wasm_state, given)
        return evolve(outcome, new_global_timer=None) if isinstance(outcome, Returned) else outcome

    def post_upgrade(self, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment) -> Outcome:
        """Runs the start function, then `canister_post_upgrade`."""
        return self._started("canister_post_upgrade", wasm_state, argument, caller, environment)

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
        entry = self.compiled.entries.get(f"canister_update {method_name}")
        if entry is None:
            return Trapped(0, TrapReason.NO_SUCH_METHOD)
        given = Given(
            Context.UPDATE,
            environment,
            environment.instruction_limit,
            argument=argument,
            caller=caller,
            deadline=deadline,
            available=available_cycles,
            needs_to_respond=needs_to_respond,
        )
        return self.finished(entry, wasm_state, given).outcome

    def query(
        self,
        method_name: MethodName,
        wasm_state: WasmState,
        argument: Blob,
        caller: Caller,
        environment: Environment,
        available_cycles: Cycles,
    ) -> Outcome:
        """Runs `canister_query NAME`."""
        given = Given(
            Context.REPLICATED_QUERY if environment.replicated else Context.NON_REPLICATED_QUERY,
            environment,
            environment.instruction_limit,
            argument=argument,
            caller=caller,
            available=available_cycles,
        )
        return self._execute(f"canister_query {method_name}", wasm_state, given)

    def transform(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, environment: Environment
    ) -> Outcome:
        """Runs `canister_query NAME` on the response to an HTTPS outcall."""
        limit = environment.instruction_limit
        given = Given(Context.TRANSFORM, environment, limit, argument=argument, caller=SYSTEM)
        return self._execute(f"canister_query {method_name}", wasm_state, given)

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
        """Runs the reply or reject closure, and the cleanup closure if that traps."""
        limit = environment.instruction_limit
        reserve = limit * environment.profile.limits.cleanup_reserve // 100
        context, called = Context.REPLY_CALLBACK, callback.on_reply
        if isinstance(response, Reject):
            context, called = Context.REJECT_CALLBACK, callback.on_reject
        given = Given(
            context,
            environment,
            limit - reserve,
            argument=response.data if isinstance(response, Reply) else b"",
            caller=caller,
            reject=response if isinstance(response, Reject) else None,
            deadline=deadline,
            available=available_cycles,
            refunded=refunded_cycles,
            needs_to_respond=needs_to_respond,
        )
        outcome = self._run_closure(called, wasm_state, given)
        if isinstance(outcome, Trapped) and callback.on_cleanup is not None:
            given = evolve(given, context=Context.CLEANUP, limit=limit)
            return self._clean_up(callback.on_cleanup, outcome, wasm_state, given)
        return outcome

    def composite_query(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment
    ) -> Outcome:
        """Runs `canister_composite_query NAME`."""
        limit = environment.instruction_limit
        given = Given(Context.COMPOSITE_QUERY, environment, limit, argument=argument, caller=caller)
        return self._execute(f"canister_composite_query {method_name}", wasm_state, given)

    def composite_callback(
        self,
        callback: Callback,
        response: Response,
        wasm_state: WasmState,
        caller: Caller,
        environment: Environment,
        needs_to_respond: bool,
    ) -> Outcome:
        """Runs a closure of a call that a composite query made, and the cleanup closure if that traps."""
        limit = environment.instruction_limit
        kept = limit * environment.profile.limits.cleanup_reserve // 100
        context, called = Context.COMPOSITE_REPLY_CALLBACK, callback.on_reply
        if isinstance(response, Reject):
            context, called = Context.COMPOSITE_REJECT_CALLBACK, callback.on_reject
        given = Given(
            context,
            environment,
            limit - kept,
            caller=caller,
            argument=response.data if isinstance(response, Reply) else b"",
            reject=response if isinstance(response, Reject) else None,
            needs_to_respond=needs_to_respond,
        )
        outcome = self._run_closure(called, wasm_state, given)
        if isinstance(outcome, Trapped) and callback.on_cleanup is not None:
            given = evolve(given, context=Context.COMPOSITE_CLEANUP, limit=limit)
            return self._clean_up(callback.on_cleanup, outcome, wasm_state, given)
        return outcome

    def heartbeat(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_heartbeat`."""
        return self._system_task("canister_heartbeat", wasm_state, environment)

    def global_timer(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_global_timer`."""
        return self._system_task("canister_global_timer", wasm_state, environment)

    def on_low_wasm_memory(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs `canister_on_low_wasm_memory`."""
        return self._system_task("canister_on_low_wasm_memory", wasm_state, environment)

    def inspect_message(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment
    ) -> Inspected:
        """Runs `canister_inspect_message`; without it every message is accepted."""
        if not self.has_inspect_message:
            return Inspected(accepts=True)
        given = Given(
            Context.INSPECT_MESSAGE,
            environment,
            environment.instruction_limit,
            argument=argument,
            caller=caller,
            method_name=method_name,
        )
        entry = self.compiled.entries["canister_inspect_message"]
        finished = self.finished(entry, wasm_state, given)
        outcome = finished.outcome
        return Inspected(finished.has_accepted_message, isinstance(outcome, Trapped), outcome.growths)

    def finished(self, entry: Entry, wasm_state: WasmState, given: Given) -> Finished:
        """Every execution of the module, whatever it begins with."""
        return runtime.execute(self.compiled, wasm_state, entry, given)

    def _run(self, entry: Entry, wasm_state: WasmState, given: Given) -> Outcome:
        return self.finished(entry, wasm_state, given).outcome

    def _execute(self, export: Text, wasm_state: WasmState, given: Given) -> Outcome:
        entry = self.compiled.entries.get(export)
        if entry is None:
            return Trapped(0, TrapReason.NO_SUCH_METHOD)
        return self.finished(entry, wasm_state, given).outcome

    def _run_closure(self, called: Closure, wasm_state: WasmState, given: Given) -> Outcome:
        """What is no function of one pointer-sized parameter traps when called."""
        entry = self.compiled.closure_entry(called.function, called.argument)
        if entry is None:
            logs = (SystemRecord(),) if given.context.is_replicated else ()
            return Trapped(0, TrapReason.TRAPPED, "", logs, given.growths_before)
        return self.finished(entry, wasm_state, given).outcome

    def _system_task(self, export: Text, wasm_state: WasmState, environment: Environment) -> Outcome:
        given = Given(Context.SYSTEM_TASK, environment, environment.instruction_limit, caller=SYSTEM)
        return self._execute(export, wasm_state, given)

    def start(self, wasm_state: WasmState, environment: Environment) -> Outcome:
        """Runs the start function, if there is one."""
        if self.compiled.parsed.start is None:
            return Returned(wasm_state, 0)
        given = Given(Context.START, environment, environment.instruction_limit)
        return self._run(self.compiled.start_entry, wasm_state, given)

    def _started(
        self, hook: Text, wasm_state: WasmState, argument: Blob, caller: Caller, environment: Environment
    ) -> Outcome:
        """The start function, then a hook with what is left of the limit."""
        started = self.start(wasm_state, environment)
        if isinstance(started, Trapped) or hook not in self.exports:
            return started
        limit = environment.instruction_limit - started.instructions_used
        growths = started.growths
        given = Given(Context.INIT, environment, limit, argument=argument, caller=caller, growths_before=growths)
        outcome = self._execute(hook, started.new_state, given)
        return evolve(
            outcome,
            instructions_used=started.instructions_used + outcome.instructions_used,
            logs=started.logs + outcome.logs,
            tried_growths=started.tried_growths + outcome.tried_growths,
        )

    def _clean_up(self, called: Closure, trapped: Trapped, wasm_state: WasmState, given: Given) -> Outcome:
        """The cleanup closure, with what is left of the limit, on the state before the callback."""
        limit = given.limit - trapped.instructions_used
        given = evolve(given, limit=limit, argument=b"", growths_before=trapped.growths)
        outcome = self._run_closure(called, wasm_state, given)
        both = evolve(
            outcome,
            instructions_used=trapped.instructions_used + outcome.instructions_used,
            logs=trapped.logs + outcome.logs,
            tried_growths=trapped.tried_growths + outcome.tried_growths,
        )
        if isinstance(both, Trapped):
            return evolve(both, reason=trapped.reason, message=trapped.message, made_calls=trapped.made_calls)
        return evolve(both, cleaned_up_after=trapped)


_cache: Final[OrderedDict[tuple[bytes, Limits], WasmtimeModule]] = OrderedDict()
_cache_lock: Final = threading.Lock()


def load_module(raw: Blob, profile: Profile) -> WasmtimeModule | MalformedModule:
    """The module that these bytes are, or why they are none. Modules used before are not compiled again."""
    key = (hashlib.sha256(raw).digest(), profile.limits)
    with _cache_lock:
        known = _cache.get(key)
        if known is not None:
            _cache.move_to_end(key)
            return known
    try:
        module = _load(raw, key[0], profile.limits)
    except Malformed as problem:
        return MalformedModule(str(problem))
    with _cache_lock:
        _cache[key] = module
        while len(_cache) > CACHED_MODULES:
            _cache.popitem(last=False)
    return module


def _load(raw: Blob, digest: bytes, limits: Limits) -> WasmtimeModule:
    binary = unpacked(raw, limits)
    try:
        wasmtime.Module.validate(accepting_engine(), binary)
    except wasmtime.WasmtimeError as problem:
        raise Malformed(f"the module is not valid: {_one_line(problem)}") from None
    parsed = parse(binary)
    check_sizes(parsed, limits)
    check_globals(parsed)
    check_imports(parsed)
    methods = exported_methods(parsed, limits)
    custom_sections = canister_sections(parsed, limits)
    bounds = Bounds(most_pages(parsed, limits), limits.function_instructions, limits.function_complexity)
    instrumented, compiled = kept_modules.kept(digest, bounds) or _compiled(digest, parsed, bounds)
    return WasmtimeModule(
        compiled=CompiledModule(parsed, bounds, instrumented, compiled, linker(engine(), parsed.has_64_bit_memory)),
        methods=methods,
        sections=custom_sections,
        exports=frozenset(export.name for export in parsed.exports if export.kind == KIND_FUNCTION),
        initial_heap=_initial_heap(parsed),
        initial_globals=tuple(parsed.globals[index].initial for index in parsed.persistent_globals()),
    )


def _compiled(digest: bytes, parsed: ParsedModule, bounds: Bounds) -> tuple[Instrumented, wasmtime.Module]:
    instrumented = instrument(parsed, bounds)
    try:
        return instrumented, kept_modules.compiled(digest, bounds, instrumented)
    except wasmtime.WasmtimeError as problem:
        raise Malformed(f"the engine cannot compile the module: {_one_line(problem)}") from None


def _one_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return "; ".join(line.removeprefix("Caused by:").strip() for line in lines if line != "Caused by:")


def _initial_heap(parsed: ParsedModule) -> LinearMemory:
    """The heap with the active data segments in it."""
    pages: dict[int, bytearray] = {}
    for segment in parsed.data_segments:
        position = 0
        while segment.offset is not None and position < len(segment.content):
            number, start = divmod(segment.offset + position, OS_PAGE)
            part = segment.content[position : position + OS_PAGE - start]
            page = pages.setdefault(number, bytearray(OS_PAGE))
            page[start : start + len(part)] = part
            position += len(part)
    size = parsed.memory.minimum if parsed.memory else 0
    return LinearMemory().with_pages(size, ((number, bytes(page)) for number, page in pages.items()))
