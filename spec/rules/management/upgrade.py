"""Upgrading code: stable memory is kept, and the heap if both modules agree on it."""

from attrs import evolve

from spec.canister.environment import Caller, Environment
from spec.canister.module import CanisterModule
from spec.canister.outcome import Returned
from spec.rules.management.arguments import require_controller
from spec.rules.management.installation import (
    NOT_USED,
    HookUse,
    charged,
    deployed,
    environment_for,
    installing_call,
    logged_in_turn,
    require_installation_cycles,
    require_returned,
    well_formed,
)
from spec.rules.messages.effects import certified_data_after, global_timer_after, with_logs
from spec.rules.modules import code_of, module_of
from spec.state.canister import Canister, Code
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Step, require, require_kind, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import MessageId
from spec.values.quantities import Count
from spec.values.rejects import RejectReason

KEEPS_HEAP = "enhanced-orthogonal-persistence"
"""The private custom section of modules whose heap can be kept. Source: management-canister, install_code."""


@transition(title="Code upgrade", source="abstract-behavior#ic-management-canister-code-upgrade")
@defines("inv.atomic.upgrade")
def upgrade_code(
    state: State,
    *,
    message_id: MessageId,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Step:
    """
    New code takes over: `canister_pre_upgrade` of the old code runs, then start function and `canister_post_upgrade` of
    the new code.

    If any of it fails, nothing changes. Source of the choices: ours#choices-of-executions.
    """
    # CONDITIONS
    call, arguments, canister = installing_call(state, message_id)
    mode = require_kind(arguments.mode, management.UpgradeMode, "the mode is `upgrade`")
    require_controller(call, canister)
    old_code = code_of(canister)
    old_module = module_of(state.profile, old_code)
    module = well_formed(state, arguments.wasm_module)
    require_installation_cycles(state, canister)
    given = environment_for(state, canister, module, NOT_USED, refused_growths, trapping_growths)
    before = prepared(given, old_code, old_module, call, mode)
    require(
        persistence_is_allowed(old_module, module, mode.wasm_memory_persistence),
        "the persistence option fits the modules",
        RejectReason.PERSISTENCE_OPTION_NEEDED,
        logs=before.logs,
    )
    keeps_heap = mode.wasm_memory_persistence == management.WasmMemoryPersistence.KEEP
    start = module.upgraded_state(before.new_state, keeps_heap)
    require(
        module.admits_heap(start.wasm_memory.wasm_pages),
        "the module admits the size of the heap that it gets",
        RejectReason.PERSISTENCE_OPTION_NEEDED,
        logs=before.logs,
    )
    prospective = deployed(canister, Code(arguments.wasm_module, start), call, arguments)
    first = HookUse(before.instructions_used, before.cycles_burned, before.growths, before.logs)
    environment = environment_for(state, prospective, module, first, refused_growths, trapping_growths)
    caller = Caller(call.caller.principal)
    after = require_returned(module.post_upgrade(start, arguments.arg, caller, environment), before.logs)
    fresh = upgraded(prospective, before, after)

    # STATE AFTER
    return charged(state, message_id, call, arguments.canister_id, module, fresh, used_by_both(before, after))


def used_by_both(before: Returned, after: Returned) -> HookUse:
    """What the hooks of the old and of the new code used."""
    return HookUse(
        before.instructions_used + after.instructions_used,
        before.cycles_burned + after.cycles_burned,
        before.growths + after.growths,
        logged_in_turn(before.logs, after.logs),
    )


@defines("error.missing-upgrade-option", "error.invalid-upgrade-option")
def persistence_is_allowed(
    old_module: CanisterModule, new_module: CanisterModule, option: management.WasmMemoryPersistence | None
) -> bool:
    """A module that keeps its heap is upgraded on purpose only: to one that does, or with its heap replaced."""
    if option is None:
        return KEEPS_HEAP not in old_module.private_custom_sections
    if option == management.WasmMemoryPersistence.KEEP:
        return KEEPS_HEAP in new_module.private_custom_sections
    return True


@defines("seed1.upgrade-transfer")
def prepared(
    environment: Environment,
    old_code: Code,
    old_module: CanisterModule,
    call: CallMessage,
    mode: management.UpgradeMode,
) -> Returned:
    """What `canister_pre_upgrade` leaves behind; the old state if it is skipped."""
    if mode.skip_pre_upgrade:
        return Returned(old_code.wasm_state, 0)
    caller = Caller(call.caller.principal)
    return require_returned(old_module.pre_upgrade(old_code.wasm_state, caller, environment), ())


@defines("seed1.upgrade-transfer")
def upgraded(prospective: Canister, before: Returned, after: Returned) -> Canister:
    """The canister after both hooks."""
    return evolve(
        with_logs(with_logs(prospective, before.logs), after.logs),
        code=Code(code_of(prospective).raw_module, after.new_state),
        certified_data=certified_data_after(certified_data_after(prospective.certified_data, before), after),
        global_timer=global_timer_after(0, after),
    )
