"""Installing code: install, reinstall and upgrade."""

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from reference_impl.management.verdicts import (
    Applies,
    HooksFailed,
    ManagementCall,
    Verdict,
    change_origin,
    controlled_canister,
    finish,
    rejection,
)
from reference_impl.messages.message_execution import TRAP_REASONS
from reference_impl.subnet.canister_record import (
    CanisterRecord,
    InstalledCode,
    InstalledModule,
    change_size,
    wasm_state_size,
)
from reference_impl.subnet.ledger import liquid_balance
from reference_impl.subnet.low_memory import look_at_hook
from reference_impl.subnet.observations import Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from spec.canister.environment import Caller, Environment
from spec.canister.module import CanisterModule, MalformedModule
from spec.canister.outcome import LogEntry, Returned, Trapped
from spec.canister.wasm_state import WasmState
from spec.state.history import Change, CodeDeployment, CodeDeploymentMode
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.identifiers import Blob
from spec.values.management import InstallCodeArguments, InstallMode, ReinstallMode, UpgradeMode
from spec.values.quantities import WASM_PAGE, ByteCount, Count, Cycles, Instructions
from spec.values.rejects import Reject, RejectCode, RejectReason

KEEPS_ITS_HEAP = "enhanced-orthogonal-persistence"
"""A module with a private section of this name asks for a choice about its heap."""


GROWTHS: Final = ("refused_growths", "trapping_growths")
"""The free variables of installations."""


@frozen
class _Deployment:
    """An installation that is being tried."""

    instance: SubnetInstance
    call: ManagementCall
    arguments: InstallCodeArguments
    canister: CanisterRecord
    installed: InstalledModule
    change: Change

    @property
    def module(self) -> CanisterModule:
        return self.installed.module

    @property
    def caller(self) -> Caller:
        return Caller(self.call.caller)

    @property
    def instructions_left(self) -> Instructions:
        """For the hooks, after compiling."""
        limit = self.instance.profile.limits.install_code_instructions
        return max(limit - self.module.instructions_to_compile, 0)

    @property
    def prepaid(self) -> Cycles:
        """What is not the canister's while its hooks run; most of it comes back. Every module has the 32-bit rate."""
        limit = self.instance.profile.limits.install_code_instructions
        return self.instance.ledger_of(self.canister).execution(limit, False)

    def not_granting(self, environment: Environment, before: Count = 0) -> Environment:
        """What a hook sees that is refused, or ended at, the growths that were chosen, after so many of other hooks."""
        refused, trapping = (
            tuple(number - before for number in self.call.choices.get(name, ()) if number >= before) for name in GROWTHS
        )
        return evolve(environment, refused_growths=refused, trapping_growths=trapping)

    @property
    def history_size(self) -> ByteCount:
        """After the installation."""
        return self.canister.history.size + change_size(self.change)


@frozen
class _Result:
    """What the hooks gave."""

    new_state: WasmState
    hook_instructions: Instructions
    certified_data: Blob
    global_timer: int
    burned: Cycles
    logs: tuple[LogEntry, ...]


@frozen
class _Bill:
    """What the installation costs."""

    used: Cycles
    reserved: Cycles
    balance: Cycles


def install_code(instance: SubnetInstance, call: ManagementCall, arguments: InstallCodeArguments) -> Verdict:
    """Tries to install code; nothing changes before the verdict is applied."""
    canister = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    match arguments.mode:
        case InstallMode() if canister.code is not None:
            return rejection(RejectReason.CANISTER_NOT_EMPTY)
        case UpgradeMode() if canister.code is None:
            return rejection(RejectReason.CANISTER_HAS_NO_CODE)
    installed = instance.load(arguments.wasm_module)
    if isinstance(installed, MalformedModule) or not _names_are_disjoint(installed.module):
        return rejection(RejectReason.INVALID_MODULE)
    deployment = _Deployment(
        instance, call, arguments, canister, installed, _change(call, arguments, canister, installed)
    )
    if instance.liquid(canister) < deployment.prepaid:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES, RejectCode.SYS_TRANSIENT)
    match arguments.mode:
        case UpgradeMode():
            result = _run_upgrade(deployment, arguments.mode)
        case InstallMode() | ReinstallMode():
            result = _run_init(deployment)
    if isinstance(result, HooksFailed):
        return result
    bill = _bill(deployment, result)
    if isinstance(bill, Reject):
        return HooksFailed(bill, canister, result.logs)
    rule = "upgrade_code" if isinstance(arguments.mode, UpgradeMode) else "install_code"
    return Applies(rule, _application(deployment, result, bill))


def _names_are_disjoint(module: CanisterModule) -> bool:
    sets = (module.update_methods, module.query_methods, module.composite_query_methods)
    return len(frozenset().union(*sets)) == sum(map(len, sets))


def _change(
    call: ManagementCall, arguments: InstallCodeArguments, canister: CanisterRecord, installed: InstalledModule
) -> Change:
    modes = {
        InstallMode: CodeDeploymentMode.INSTALL,
        ReinstallMode: CodeDeploymentMode.REINSTALL,
        UpgradeMode: CodeDeploymentMode.UPGRADE,
    }
    return Change(
        timestamp=canister.time,
        canister_version=canister.version + 1,
        origin=change_origin(call, arguments.sender_canister_version),
        details=CodeDeployment(modes[type(arguments.mode)], installed.hash),
    )


def _hook_failed(deployment: _Deployment, trapped: Trapped, before: tuple[LogEntry, ...] = ()) -> HooksFailed:
    reject = rejection(TRAP_REASONS[trapped.reason], detail=trapped.message)
    return HooksFailed(reject, deployment.canister, before + trapped.logs)


def _run_init(deployment: _Deployment) -> _Result | HooksFailed:
    canister, instance = deployment.canister, deployment.instance
    environment: Environment = instance.environment(
        canister,
        deployment.instructions_left,
        global_timer=0,
        version=canister.version + 1,
        installing=deployment.installed,
        history_size=deployment.history_size,
        taken=deployment.prepaid,
    )
    start = deployment.module.initial_state(canister.canister_id)
    outcome = deployment.module.init(
        start, deployment.arguments.arg, deployment.caller, deployment.not_granting(environment)
    )
    if isinstance(outcome, Trapped):
        return _hook_failed(deployment, outcome)
    return _Result(
        new_state=outcome.new_state,
        hook_instructions=outcome.instructions_used,
        certified_data=outcome.new_certified_data or b"",
        global_timer=outcome.new_global_timer or 0,
        burned=outcome.cycles_burned,
        logs=outcome.logs,
    )


def _run_upgrade(deployment: _Deployment, mode: UpgradeMode) -> _Result | HooksFailed:
    canister = deployment.canister
    before = _run_pre_upgrade(deployment, mode)
    if isinstance(before, Trapped):
        return _hook_failed(deployment, before)
    if not _persistence_fits(deployment, mode):
        return HooksFailed(rejection(RejectReason.PERSISTENCE_OPTION_NEEDED), canister, before.logs)
    keeps = mode.wasm_memory_persistence is WasmMemoryPersistence.KEEP
    environment: Environment = deployment.instance.environment(
        canister,
        max(deployment.instructions_left - before.instructions_used, 0),
        global_timer=0,
        version=canister.version + 1,
        installing=deployment.installed,
        history_size=deployment.history_size,
        taken=deployment.prepaid + before.cycles_burned,
    )
    start = deployment.module.upgraded_state(before.new_state, keeps)
    if not deployment.module.admits_heap(heap_size(start) // WASM_PAGE):
        return HooksFailed(rejection(RejectReason.PERSISTENCE_OPTION_NEEDED), canister, before.logs)
    environment = deployment.not_granting(environment, before.growths)
    after = deployment.module.post_upgrade(start, deployment.arguments.arg, deployment.caller, environment)
    if isinstance(after, Trapped):
        return _hook_failed(deployment, after, before.logs)
    return _Result(
        new_state=after.new_state,
        hook_instructions=before.instructions_used + after.instructions_used,
        certified_data=_latest(after.new_certified_data, before.new_certified_data, canister.certified_data),
        global_timer=after.new_global_timer or 0,
        burned=before.cycles_burned + after.cycles_burned,
        logs=before.logs + after.logs,
    )


def _latest(*certified_data: Blob | None) -> Blob:
    return next((one for one in certified_data if one is not None), b"")


def _run_pre_upgrade(deployment: _Deployment, mode: UpgradeMode) -> Returned | Trapped:
    code = deployment.canister.code
    assert code is not None, "only canisters with code are upgraded"
    if mode.skip_pre_upgrade:
        return Returned(code.wasm_state, 0)
    environment: Environment = deployment.instance.environment(
        deployment.canister,
        deployment.instructions_left,
        taken=deployment.prepaid,
    )
    environment = deployment.not_granting(environment)
    return code.installed.module.pre_upgrade(code.wasm_state, deployment.caller, environment)


def _persistence_fits(deployment: _Deployment, mode: UpgradeMode) -> bool:
    code = deployment.canister.code
    assert code is not None
    match mode.wasm_memory_persistence:
        case WasmMemoryPersistence.KEEP:
            return KEEPS_ITS_HEAP in deployment.module.private_custom_sections
        case WasmMemoryPersistence.REPLACE:
            return True
        case None:
            return KEEPS_ITS_HEAP not in code.installed.module.private_custom_sections


def _bill(deployment: _Deployment, result: _Result) -> _Bill | Reject:
    instance, canister, module = deployment.instance, deployment.canister, deployment.module
    limit = instance.profile.limits.install_code_instructions
    instructions = module.instructions_to_compile + result.hook_instructions
    used = instance.ledger_of(canister).execution_charge(limit, instructions, False)
    usage = wasm_state_size(result.new_state) + deployment.installed.size
    usage += deployment.history_size + canister.chunk_store_size + canister.snapshots_size
    history_growth = deployment.history_size - canister.history.size
    reserved = instance.reservation(canister, canister.settings.memory_allocation, usage, history_growth)
    balance = canister.balance - used - result.burned - reserved
    reserved_balance = canister.reserved_balance + reserved
    if liquid_balance(balance, reserved_balance, instance.freezing_limit(canister, usage)) < 0:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    if reserved_balance > canister.settings.reserved_balance_limit:
        return rejection(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    if 0 < canister.settings.wasm_memory_limit < heap_size(result.new_state):
        return rejection(RejectReason.MEMORY_LIMIT_EXCEEDED)
    return _Bill(used, reserved, balance)


def _application(deployment: _Deployment, result: _Result, bill: _Bill) -> Callable[[], None]:
    def apply() -> None:
        instance, canister = deployment.instance, deployment.canister
        instance.set_code(canister, InstalledCode(deployment.installed, result.new_state))
        canister.certified_data = result.certified_data
        canister.global_timer = result.global_timer
        canister.version += 1
        canister.installed_at = canister.time
        canister.balance = bill.balance
        canister.reserved_balance += bill.reserved
        canister.history.record(deployment.change)
        if not isinstance(deployment.arguments.mode, UpgradeMode):
            canister.logs.clear()
        canister.add_logs(result.logs)
        instance.recount_memory(canister)
        look_at_hook(instance, canister)
        instance.burn(canister, bill.used, Purpose.EXECUTION)
        instance.burn(canister, result.burned, Purpose.REQUESTED)
        instructions = deployment.module.instructions_to_compile + result.hook_instructions
        instance.recorder.execution(canister.canister_id, instructions, None, bool(canister.logs))
        finish(instance, deployment.call)

    return apply
