"""What one execution of an exported function of a module is charged."""

from typing import Final

from attrs import frozen

from spec.canister.environment import Caller, Environment, SimpleStatus
from spec.canister.module import MalformedModule
from spec.canister.occasion import PLAIN, Occasion
from spec.canister.outcome import Trapped
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.system_api.context import Context
from spec.system_api.execution_state import Parameters
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.system_api.requirements import COMPOSITE_QUERY, QUERY, UPDATE
from spec.system_api.run import Ending, run_function
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, Blob, SubnetId, Text, numbered_canister_id
from spec.values.quantities import Instructions
from spec.wasm.syntax import ExternalKind, FunctionType


class CannotCount(Exception):
    """There is nothing to execute; the message says why in one line."""


@frozen
class Count:
    """The charge of one execution."""

    instructions: Instructions
    """For segments, bulk operations and system functions."""
    page_charge: Instructions
    """For changed pages of the heap and newly written pages of stable memory."""
    accounted: Instructions
    """Both together, at most the limit."""
    outcome: Text
    """`returns`, `traps`, `out_of_instructions` or `overruns_slice`."""
    why: Text
    """Why it trapped; empty if it returned."""


HOOK_CONTEXTS: Final = {
    "canister_init": Context.INIT,
    "canister_post_upgrade": Context.INIT,
    "canister_pre_upgrade": Context.PRE_UPGRADE,
    "canister_inspect_message": Context.INSPECT_MESSAGE,
}
METHOD_CONTEXTS: Final = {
    UPDATE: Context.UPDATE,
    QUERY: Context.REPLICATED_QUERY,
    COMPOSITE_QUERY: Context.COMPOSITE_QUERY,
}

CANISTER: Final = numbered_canister_id(0)
"""The id of the canister that is executed."""

BALANCE: Final = 100_000_000_000_000
"""Its cycles."""


def count_export(
    raw_module: Blob, export: Text, limit: Instructions, profile: Profile, occasion: Occasion = PLAIN
) -> Count:
    """
    Executes a function on the initial state of a module, after its start function and `canister_init` if that is to
    run; only the function is counted.

    `export` is the name of an exported function without parameters, for example `canister_update go`. Raises
    `CannotCount` if the module does not fulfil the requirements or has no such function, or if what runs before does
    not return.
    """
    module = parse_module(raw_module, profile)
    if isinstance(module, MalformedModule):
        raise CannotCount(module.because)
    function = module.entry_point(export)
    if function is None:
        raise CannotCount(f"the module exports no function {export!r} (there are: {_entry_points(module)})")
    if module.module.function_type(function) != FunctionType():
        raise CannotCount(f"the function {export!r} has parameters or results")
    state = _started(module, profile, occasion)
    parameters = Parameters(
        _environment(profile, limit),
        caller=Caller(occasion.caller),
        argument=occasion.argument,
        available_cycles=occasion.cycles,
    )
    finished = run_function(module.module, function, _context(export), parameters, state, limit)
    return Count(
        instructions=finished.instructions,
        page_charge=finished.page_charge,
        accounted=finished.instructions_used,
        outcome=finished.ending.value,
        why=finished.why,
    )


def _entry_points(module: WasmCanisterModule) -> Text:
    """What else can be counted, in words."""
    functions = (entry for entry in module.module.exports if entry.kind is ExternalKind.FUNCTION)
    names = sorted(entry.name for entry in functions if entry.name.startswith("canister_"))
    return ", ".join(names) or "no entry points"


def _started(module: WasmCanisterModule, profile: Profile, occasion: Occasion) -> WasmState:
    """The initial state, on which the start function has run as it does when the module is installed, or all of it."""
    state, start = module.initial_state(CANISTER), module.module.start
    if occasion.init_argument is not None:
        installing = _environment(profile, profile.limits.install_code_instructions)
        installed = module.init(state, occasion.init_argument, Caller(occasion.caller), installing)
        if isinstance(installed, Trapped):
            raise CannotCount(f"canister_init does not return: {installed.message or installed.reason.value}")
        return installed.new_state
    if start is None:
        return state
    limit = profile.limits.install_code_instructions
    parameters = Parameters(_environment(profile, limit), caller=Caller(ANONYMOUS))
    finished = run_function(module.module, start, Context.START, parameters, state, limit)
    if finished.ending is not Ending.RETURNS:
        raise CannotCount(f"the start function does not return: {finished.why}")
    return finished.new_state


def _context(export: Text) -> Context:
    """System tasks have no context of their own, and functions that are no entry points get that of updates."""
    for prefix, context in METHOD_CONTEXTS.items():
        if export.startswith(prefix):
            return context
    if export in HOOK_CONTEXTS:
        return HOOK_CONTEXTS[export]
    return Context.SYSTEM_TASK if export.startswith("canister_") else Context.UPDATE


def _environment(profile: Profile, limit: Instructions) -> Environment:
    """A running canister on a subnet of the reference size."""
    return Environment(
        profile=profile,
        instruction_limit=limit,
        time=0,
        controllers=List(),
        global_timer=0,
        balance=BALANCE,
        reserved_balance=0,
        reserved_balance_limit=profile.defaults.reserved_cycles_limit,
        compute_allocation=0,
        memory_allocation=0,
        memory_usage_raw_module=0,
        memory_usage_canister_history=0,
        memory_usage_chunk_store=0,
        memory_usage_snapshots=0,
        freezing_threshold=profile.defaults.freezing_threshold,
        subnet_id=SubnetId(b"\x01"),
        subnet_size=profile.fees.reference_subnet_size,
        root_key=b"",
        certificate=None,
        status=SimpleStatus.RUNNING,
        canister_version=0,
    )
