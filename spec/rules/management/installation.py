"""Installing code: into an empty canister, or in place of other code."""

from attrs import evolve, frozen

from spec.canister.environment import Caller, Environment
from spec.canister.module import CanisterModule, MalformedModule
from spec.canister.outcome import LogEntry, Returned, Trapped
from spec.rules.conditions import existing_canister
from spec.rules.environments import counted_from, environment_of
from spec.rules.hashes import hash_of_blob
from spec.rules.management.arguments import change_origin, decoded, management_call, replied, require_controller
from spec.rules.messages.effects import certified_data_after, global_timer_after, with_logs
from spec.rules.messages.low_memory_hook import with_hook_status
from spec.rules.messages.settlement import failure_of_trap
from spec.rules.modules import module_or_defect
from spec.rules.resources import cycles_per_installation, cycles_to_reserve, installation_cost, liquid_balance
from spec.state.canister import Canister, Code, Empty
from spec.state.history import Change, CodeDeployment, CodeDeploymentMode, recorded
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Executed, Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MessageId
from spec.values.quantities import Count, Cycles, Instructions
from spec.values.rejects import RejectCode, RejectReason


@frozen
class HookUse:
    """What the hooks of an installation used."""

    instructions: Instructions
    cycles_burned: Cycles
    """With `ic0.cycles_burn128`."""
    growths: Count = 0
    """How often memories were to grow."""
    logs: tuple[LogEntry, ...] = ()
    """What they wrote to the log."""


NOT_USED = HookUse(0, 0)


@opaque
def install_code_arguments(argument: Blob) -> management.InstallCodeArguments | None:
    """The argument of `install_code`."""
    arguments = management.decode_arguments("install_code", argument)
    return arguments if isinstance(arguments, management.InstallCodeArguments) else None


@transition(title="Code installation", source="abstract-behavior#ic-management-canister-code-installation")
@defines("error.canister-not-empty")
def install_code(
    state: State,
    *,
    message_id: MessageId,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Step:
    """
    New code starts with an empty state: its start function and `canister_init` run.

    If any of it fails, nothing changes. Source of the choices: ours#choices-of-executions.
    """
    # CONDITIONS
    call, arguments, canister = installing_call(state, message_id)
    require(not isinstance(arguments.mode, management.UpgradeMode), "the mode is `install` or `reinstall`")
    require_controller(call, canister)
    require(
        isinstance(arguments.mode, management.ReinstallMode) or isinstance(canister.code, Empty),
        "the canister is empty, or the mode is `reinstall`",
        RejectReason.CANISTER_NOT_EMPTY,
    )
    module = well_formed(state, arguments.wasm_module)
    require_installation_cycles(state, canister)
    prospective = deployed(
        canister, Code(arguments.wasm_module, module.initial_state(arguments.canister_id)), call, arguments
    )
    environment = environment_for(state, prospective, module, NOT_USED, refused_growths, trapping_growths)
    outcome = module.init(
        module.initial_state(arguments.canister_id), arguments.arg, Caller(call.caller.principal), environment
    )
    returned = require_returned(outcome, ())
    fresh = evolve(
        with_logs(evolve(prospective, logs=List()), returned.logs),
        code=Code(arguments.wasm_module, returned.new_state),
        certified_data=certified_data_after(b"", returned),
        global_timer=global_timer_after(0, returned),
    )

    # STATE AFTER
    used = HookUse(returned.instructions_used, returned.cycles_burned, returned.growths, returned.logs)
    return charged(state, message_id, call, arguments.canister_id, module, fresh, used)


def installing_call(
    state: State, message_id: MessageId
) -> tuple[CallMessage, management.InstallCodeArguments, Canister]:
    """A call to `install_code`, its argument, and the canister that it is about."""
    call = management_call(state, message_id, "install_code")
    arguments = decoded(install_code_arguments(call.argument))
    return call, arguments, existing_canister(state, arguments.canister_id)


def well_formed(state: State, raw_module: Blob) -> CanisterModule:
    """The module, which must parse; its methods then have different names."""
    module = module_or_defect(state.profile, raw_module)
    require(not isinstance(module, MalformedModule), "the module is well formed", RejectReason.INVALID_MODULE)
    assert not isinstance(module, MalformedModule)
    return module


def deployed(canister: Canister, code: Code, call: CallMessage, arguments: management.InstallCodeArguments) -> Canister:
    """The canister with new code, before that code has run."""
    version = canister.version + 1
    change = Change(
        canister.time,
        version,
        change_origin(call, arguments.sender_canister_version),
        CodeDeployment(deployment_mode(arguments.mode), hash_of_blob(code.raw_module)),
    )
    return evolve(
        canister,
        code=code,
        version=version,
        global_timer=0,
        installed_at=canister.time,
        history=recorded(canister.history, change),
    )


def deployment_mode(mode: management.CanisterInstallMode) -> CodeDeploymentMode:
    """The mode as the history records it."""
    match mode:
        case management.InstallMode():
            return CodeDeploymentMode.INSTALL
        case management.ReinstallMode():
            return CodeDeploymentMode.REINSTALL
        case management.UpgradeMode():
            return CodeDeploymentMode.UPGRADE


def cycles_of_installation(state: State, canister: Canister) -> Cycles:
    """What is set aside for installing a module on a canister: the price of the largest installation."""
    return cycles_per_installation(state.profile, canister.subnet.subnet_size)


@defines("error.install-code-not-enough-cycles")
def require_installation_cycles(state: State, canister: Canister) -> None:
    """States that the canister has what is set aside for installing a module."""
    require(
        liquid_balance(state.profile, canister) >= cycles_of_installation(state, canister),
        "the cycles for the largest execution are there",
        RejectReason.CANISTER_OUT_OF_CYCLES,
        RejectCode.SYS_TRANSIENT,
    )


@defines("seed1.upgrade-limit")
def environment_for(
    state: State,
    canister: Canister,
    module: CanisterModule,
    before: HookUse,
    refused_growths: tuple[Count, ...],
    trapping_growths: tuple[Count, ...],
) -> Environment:
    """
    What a hook sees, and the instructions that are left for it after compiling and the hook before it.

    Its balance is without what is set aside for the installation, and what the hook before it burned. The growths that
    are not granted are numbered over all hooks.
    """
    limit = state.profile.limits.install_code_instructions - module.instructions_to_compile - before.instructions
    assert isinstance(canister.code, Code)
    return evolve(
        environment_of(state, canister, canister.code, max(limit, 0)),
        balance=canister.balance - cycles_of_installation(state, canister) - before.cycles_burned,
        refused_growths=counted_from(refused_growths, before.growths),
        trapping_growths=counted_from(trapping_growths, before.growths),
    )


def require_returned(outcome: Returned | Trapped, logs_before: tuple[LogEntry, ...]) -> Returned:
    """States that a hook returned; so much was logged before it."""
    if isinstance(outcome, Trapped):
        failure = failure_of_trap(outcome)
        logs = logged_in_turn(logs_before, outcome.logs)
        require(False, "the hooks return", failure.reason, RejectCode.CANISTER_ERROR, failure.message, logs)
    assert isinstance(outcome, Returned)
    return outcome


@opaque
def logged_in_turn(first: tuple[LogEntry, ...], second: tuple[LogEntry, ...]) -> tuple[LogEntry, ...]:
    """What two hooks wrote to the log."""
    return first + second


def charged(
    state: State,
    message_id: MessageId,
    call: CallMessage,
    canister_id: CanisterId,
    module: CanisterModule,
    fresh: Canister,
    hooks: HookUse,
) -> Step:
    """The step in which a canister gets its new code and pays for it."""
    before = state.canisters[canister_id]
    instructions = module.instructions_to_compile + hooks.instructions
    used = installation_cost(state.profile, instructions, before.subnet.subnet_size)
    reserved = cycles_to_reserve(state, canister_id, fresh)
    after = evolve(
        fresh,
        balance=before.balance - used - hooks.cycles_burned - reserved,
        reserved_balance=before.reserved_balance + reserved,
    )
    require(
        after.balance >= 0 and liquid_balance(state.profile, after) >= 0,
        "the canister is not frozen afterwards",
        RejectReason.CANISTER_OUT_OF_CYCLES,
        logs=hooks.logs,
    )
    require(
        after.reserved_balance <= after.settings.reserved_balance_limit,
        "the limit of reserved cycles is kept",
        RejectReason.RESERVATION_LIMIT_EXCEEDED,
        logs=hooks.logs,
    )
    require_heap_within_limit(after, hooks.logs)
    return Step(
        evolve(
            replied(state, message_id, call),
            canisters=state.canisters.set(canister_id, with_hook_status(state.profile, after)),
        ),
        outputs=(Executed(canister_id, instructions, None),),
        burned=(Burned(used, BurnReason.EXECUTION), Burned(hooks.cycles_burned, BurnReason.REQUESTED)),
    )


@defines("error.wasm-memory-limit", "setting.wasm-memory-limit")
def require_heap_within_limit(canister: Canister, logs: tuple[LogEntry, ...]) -> None:
    """States that the heap is not larger than the canister's own limit; so much was logged before."""
    assert isinstance(canister.code, Code)
    require(
        canister.settings.wasm_memory_limit == 0
        or canister.code.wasm_state.wasm_memory.size <= canister.settings.wasm_memory_limit,
        "the heap keeps within the canister's limit",
        RejectReason.MEMORY_LIMIT_EXCEEDED,
        logs=logs,
    )
