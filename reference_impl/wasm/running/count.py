"""What one execution of an exported function of a module is charged."""

from typing import Final

from attrs import evolve, frozen

from reference_impl.wasm.layout.system_functions import Context
from reference_impl.wasm.running import runtime
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from reference_impl.wasm.running.runtime import Finished
from reference_impl.wasm.system_api.given import Given
from spec.canister.environment import Caller, Environment, SimpleStatus
from spec.canister.module import MalformedModule
from spec.canister.occasion import PLAIN, Occasion
from spec.canister.outcome import Returned, Trapped, TrapReason
from spec.profile import Profile
from spec.values.containers import List
from spec.values.identifiers import Blob, Principal, Text, numbered_canister_id
from spec.values.quantities import Instructions

_CONTEXTS: Final = {
    "canister_init": Context.INIT,
    "canister_post_upgrade": Context.INIT,
    "canister_pre_upgrade": Context.PRE_UPGRADE,
    "canister_inspect_message": Context.INSPECT_MESSAGE,
    "canister_heartbeat": Context.SYSTEM_TASK,
    "canister_global_timer": Context.SYSTEM_TASK,
    "canister_on_low_wasm_memory": Context.SYSTEM_TASK,
    "canister_query": Context.REPLICATED_QUERY,
    "canister_composite_query": Context.COMPOSITE_QUERY,
}
"""By the first word of the export; all others run as an update."""

_CANISTER: Final = numbered_canister_id(0)
_BALANCE: Final = 100_000_000_000_000


class CountError(Exception):
    """The module or the export cannot be counted. The message says why, in one line."""


@frozen
class Count:
    """What an execution was charged, in instructions."""

    instructions: Instructions
    """For segments, bulk operations and system functions."""
    page_charge: Instructions
    """For changed pages."""
    accounted: Instructions
    """The sum, but not more than the limit."""
    outcome: Text
    """`returns`, `traps`, `out_of_instructions` or `overruns_slice`."""
    why: Text


def count_export(
    raw_module: Blob, export: Text, limit: Instructions, profile: Profile, occasion: Occasion = PLAIN
) -> Count:
    """
    Runs an exported function on the initial state of the module, after its start function, and `canister_init` if the
    occasion says so; these are not counted.

    Raises `CountError` if the bytes are no canister module, the export is missing or takes parameters, or what runs
    before does not return.
    """
    module = load_module(raw_module, profile)
    if isinstance(module, MalformedModule):
        raise CountError(module.because)
    if export not in module.exports:
        names = ", ".join(sorted(name for name in module.exports if name.startswith("canister_")))
        raise CountError(f"the module exports no function {export!r} (there are: {names or 'no entry points'})")
    if _takes_or_gives(module, export):
        raise CountError(f"the function {export!r} has parameters or results")
    environment = _default_environment(limit, profile)
    installing = evolve(environment, instruction_limit=profile.limits.install_code_instructions)
    started = _started(module, installing, occasion)
    context = _CONTEXTS.get(export.split(" ")[0], Context.UPDATE)
    caller = Caller(occasion.caller)
    given = Given(context, environment, limit, occasion.argument, caller, available=occasion.cycles)
    return _count(runtime.execute(module.compiled, started.new_state, module.compiled.entries[export], given))


def _started(module: WasmtimeModule, installing: Environment, occasion: Occasion) -> Returned:
    initial = module.initial_state(_CANISTER)
    if occasion.init_argument is None:
        what, outcome = "the start function", module.start(initial, installing)
    else:
        caller = Caller(occasion.caller)
        what, outcome = "canister_init", module.init(initial, occasion.init_argument, caller, installing)
    if isinstance(outcome, Trapped):
        raise CountError(f"{what} does not return: {outcome.message or outcome.reason.value}")
    return outcome


def _takes_or_gives(module: WasmtimeModule, export: Text) -> bool:
    parsed = module.compiled.parsed
    index = next(one.index for one in parsed.exports if one.name == export)
    found = parsed.type_of_function(index)
    return bool(found.parameters or found.results)


def _count(finished: Finished) -> Count:
    match finished.outcome:
        case Returned():
            outcome, why = "returns", "the function returned"
        case Trapped(reason=TrapReason.OUT_OF_INSTRUCTIONS):
            outcome, why = "out_of_instructions", "the instruction limit was exceeded"
        case Trapped(reason=TrapReason.SLICE_OVERRUN):
            outcome, why = "overruns_slice", "a single operation is too large for a slice"
        case Trapped(message=message):
            outcome, why = "traps", f"trapped: {message}" if message else "trapped"
    return Count(finished.executed, finished.page_charge, finished.outcome.instructions_used, outcome, why)


def _default_environment(limit: Instructions, profile: Profile) -> Environment:
    """A running canister with plenty of cycles on a subnet of the reference size."""
    return Environment(
        profile=profile,
        instruction_limit=limit,
        time=0,
        controllers=List(),
        global_timer=0,
        balance=_BALANCE,
        reserved_balance=0,
        reserved_balance_limit=profile.defaults.reserved_cycles_limit,
        compute_allocation=0,
        memory_allocation=0,
        memory_usage_raw_module=0,
        memory_usage_canister_history=0,
        memory_usage_chunk_store=0,
        memory_usage_snapshots=0,
        freezing_threshold=profile.defaults.freezing_threshold,
        subnet_id=Principal(b"\x01"),
        subnet_size=profile.fees.reference_subnet_size,
        root_key=b"",
        certificate=None,
        status=SimpleStatus.RUNNING,
        canister_version=0,
    )
