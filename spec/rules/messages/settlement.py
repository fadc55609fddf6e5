"""What an execution costs, and whether its effects may be kept."""

from attrs import evolve, frozen

from spec.canister.outcome import MethodCall, Outcome, Returned, Trapped, TrapReason
from spec.profile import Profile
from spec.rules.messages.budgets import instruction_limit, is_response
from spec.rules.modules import code_of, module_of
from spec.rules.resources import callback_cost, cycles_to_reserve, execution_cost, freezing_limit, response_fee
from spec.state.call_context import CallContext, FailedExecution
from spec.state.canister import Canister, Code
from spec.state.message import CallbackInvocation, EntryPoint, FuncMessage, PublicMethod
from spec.state.state import State
from spec.transition import opaque
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import decode_arguments
from spec.values.quantities import ByteCount, CanisterVersion, Cycles, credited
from spec.values.rejects import RejectReason

METHODS_WITH_SENDER_VERSION = (
    "create_canister",
    "update_settings",
    "install_code",
    "install_chunked_code",
    "uninstall_code",
    "provisional_create_canister_with_cycles",
)
"""Source: abstract-behavior, `validate_sender_canister_version`."""


@frozen
class Settlement:
    """The cycles of one execution."""

    cycles_used: Cycles
    """For the execution itself, and for transmitting the response that it handles."""
    fees: Cycles
    """For transmitting the calls made."""
    sent: Cycles
    """Transferred with calls made and set aside for their responses."""
    newly_reserved: Cycles
    """Moved to the reserved balance because the canister grew."""
    lost: Cycles
    """For which the balance had no room."""
    balance: int
    """After all of this; negative if the canister cannot pay."""


@defines("seed1.pay-from-canister", "seed2.execution-paid-in-cycles", "seed2.no-direct-balance-change")
def settle(state: State, canister: Canister, message: FuncMessage, outcome: Outcome) -> Settlement:
    """
    Adds up the cycles of an execution; what was set aside for it and is left comes back at the end.

    Source: abstract-behavior, message execution (`New_balance`).
    """
    used = cycles_used(state.profile, canister, message, outcome)
    match outcome:
        case Returned():
            paid = outcome.new_calls.total(lambda call: call.fee)
            sent = outcome.new_calls.total(lambda call: call.transferred_cycles + call.callback.reserved_cycles)
            reserved = cycles_to_reserve(state, message.receiver, with_state_of(canister, outcome))
            gained = outcome.cycles_accepted - outcome.cycles_lost
            spent = paid + sent + reserved + outcome.cycles_burned
            after = credited(canister.balance + gained - spent, message.reserved_cycles - used)
            return Settlement(used, paid, sent, reserved, outcome.cycles_lost + after.lost, after.total)
        case Trapped():
            return Settlement(used, 0, 0, 0, 0, canister.balance + message.reserved_cycles - used)


@defines("unspec.fn.cycles-used")
def cycles_used(profile: Profile, canister: Canister, message: FuncMessage, outcome: Outcome) -> Cycles:
    """
    What the execution is charged: its instructions, and for a callback the transmission of the response.

    A method or hook that the module does not have costs nothing: nothing ran.
    """
    cost = 0 if found_nothing_to_run(outcome) else cost_of_instructions(profile, canister, message, outcome)
    match message.entry_point:
        case CallbackInvocation(response=response):
            return cost + response_fee(profile, response, canister.subnet.subnet_size)
        case _:
            return cost


def found_nothing_to_run(outcome: Outcome) -> bool:
    """The module has no function for the entry point."""
    return isinstance(outcome, Trapped) and outcome.reason == TrapReason.NO_SUCH_METHOD


def cost_of_instructions(profile: Profile, canister: Canister, message: FuncMessage, outcome: Outcome) -> Cycles:
    """What an execution is charged for the instructions that it used."""
    module, size = module_of(profile, code_of(canister)), canister.subnet.subnet_size
    if is_response(message.entry_point):
        return callback_cost(profile, module, message.reserved_cycles, outcome.instructions_used, size)
    limit = instruction_limit(profile, canister, message.entry_point)
    return execution_cost(profile, module, limit, outcome.instructions_used, size)


def is_query(profile: Profile, canister: Canister, entry_point: EntryPoint) -> bool:
    """The execution is that of a query method called as an update."""
    match entry_point:
        case PublicMethod(method_name=method_name):
            return method_name in module_of(profile, code_of(canister)).query_methods
        case _:
            return False


def with_state_of(canister: Canister, outcome: Returned) -> Canister:
    """The canister with the state that the execution left."""
    code = code_of(canister)
    return evolve(canister, code=Code(code.raw_module, outcome.new_state))


def failure_of(
    profile: Profile,
    canister: Canister,
    message: FuncMessage,
    context: CallContext,
    outcome: Outcome,
    settlement: Settlement,
) -> FailedExecution | None:
    """Why the effects may not be kept. Source: abstract-behavior, message execution (conditions of `then`)."""
    match outcome:
        case Trapped():
            return failure_of_trap(outcome)
        case Returned():
            reason = refusal_of(profile, canister, message, context, outcome, settlement)
            return None if reason is None else FailedExecution(reason, "")


def failure_of_trap(trapped: Trapped) -> FailedExecution:
    """A trap in the words of rejects."""
    match trapped.reason:
        case TrapReason.TRAPPED:
            return FailedExecution(RejectReason.CANISTER_TRAPPED, trapped.message)
        case TrapReason.OUT_OF_INSTRUCTIONS:
            return FailedExecution(RejectReason.INSTRUCTION_LIMIT_EXCEEDED, trapped.message)
        case TrapReason.SLICE_OVERRUN:
            return FailedExecution(RejectReason.SLICE_OVERRUN, trapped.message)
        case TrapReason.NO_SUCH_METHOD:
            return FailedExecution(RejectReason.METHOD_NOT_FOUND, trapped.message)


@defines("error.insufficient-cycles-memory-grow", "error.reserved-limit-memory-grow", "inv.cycles.reserved-limit")
def refusal_of(
    profile: Profile,
    canister: Canister,
    message: FuncMessage,
    context: CallContext,
    outcome: Returned,
    settlement: Settlement,
) -> RejectReason | None:
    """The first condition for keeping the effects that does not hold."""
    if not outcome.new_calls.every(lambda call: gives_right_sender_version(call, canister.version)):
        return RejectReason.INVALID_ARGUMENT
    if settlement.cycles_used > message.reserved_cycles:
        return RejectReason.CANISTER_OUT_OF_CYCLES
    if outcome.cycles_accepted > context.available_cycles:
        return RejectReason.CANISTER_TRAPPED
    if settlement.balance + settlement.newly_reserved < 0:
        return RejectReason.CANISTER_OUT_OF_CYCLES
    if canister.reserved_balance + settlement.newly_reserved > canister.settings.reserved_balance_limit:
        return RejectReason.RESERVATION_LIMIT_EXCEEDED
    if settlement.balance < least_balance(profile, canister, message, outcome, settlement):
        return RejectReason.CANISTER_OUT_OF_CYCLES
    if exceeds_memory_limit(profile, canister, message, outcome.new_state.wasm_memory.size):
        return RejectReason.MEMORY_LIMIT_EXCEEDED
    if outcome.response is not None and not context.needs_to_respond:
        return RejectReason.CANISTER_TRAPPED
    return None


@opaque
@defines("def.validate-sender-canister-version", "mgmt-general.sender-canister-version")
def gives_right_sender_version(call: MethodCall, version: CanisterVersion) -> bool:
    """A management call names no sender version, or the right one."""
    if call.callee != MANAGEMENT_CANISTER or call.method_name not in METHODS_WITH_SENDER_VERSION:
        return True
    arguments = decode_arguments(call.method_name, call.argument)
    given = getattr(arguments, "sender_canister_version", None)
    return given is None or given == version


def least_balance(
    profile: Profile, canister: Canister, message: FuncMessage, outcome: Returned, settlement: Settlement
) -> Cycles:
    """What must be left: the freezing limit with the new memory, less the reserved balance; nothing for callbacks."""
    if is_response(message.entry_point):
        return 0
    after = with_state_of(canister, outcome)
    reserved = canister.reserved_balance + settlement.newly_reserved
    return max(freezing_limit(profile, after) - reserved, 0)


@defines("setting.wasm-memory-limit", "error.wasm-memory-limit")
def exceeds_memory_limit(profile: Profile, canister: Canister, message: FuncMessage, size: ByteCount) -> bool:
    """The heap is larger than the canister's own limit, which binds update methods only."""
    limit = canister.settings.wasm_memory_limit
    match message.entry_point:
        case PublicMethod():
            return limit != 0 and size > limit and not is_query(profile, canister, message.entry_point)
        case _:
            return False
