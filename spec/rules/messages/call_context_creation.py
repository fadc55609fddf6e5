"""Call contexts are created. Each of these rules is followed at once by the execution of the message."""

from attrs import evolve

from spec.canister.environment import Caller
from spec.rules.conditions import eligible_canister_call, existing_canister, require_fresh_context_id
from spec.rules.messages.budgets import cycles_set_aside_for_call, cycles_set_aside_for_task
from spec.rules.modules import code_of, module_of
from spec.rules.resources import liquid_balance
from spec.state.call_context import CallContext
from spec.state.canister import Canister, HookStatus, Running
from spec.state.message import Between, CallMessage, EntryPoint, FuncMessage, GlobalTimer, Heartbeat, PublicMethod
from spec.state.origin import FromCanister, FromSystemTask
from spec.state.state import State
from spec.transition import Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, MessageId


@transition(title="Call context creation: Public entry points", source="abstract-behavior#call-context-creation")
@defines("rule.call-context-creation.public-method", "inv.prop-06-at-most-once", "inv.cycles.frozen-no-new-work")
def call_context_creation(state: State, *, message_id: MessageId, context_id: CallContextId) -> Step:
    """A call to a method of a running canister gets a call context; the cycles for its execution are set aside."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    code_of(callee)
    require(isinstance(callee.status, Running), "the callee is running")
    require_no_hook_due(callee)
    require(brings_enough_cycles(call, callee), "as many cycles are attached as the callee asks for")
    set_aside = cycles_set_aside_for_call(state.profile, callee, call.method_name)
    require(liquid_balance(state.profile, callee) >= set_aside, "the callee can set aside the cycles for the execution")
    require_fresh_context_id(state, context_id)

    # STATE AFTER
    return Step(
        evolve(
            state,
            messages=state.messages.replace(
                message_id,
                FuncMessage(
                    call_context=context_id,
                    caller=call.caller,
                    receiver=call.callee,
                    entry_point=PublicMethod(call.method_name, call.argument),
                    queue=call.queue,
                    reserved_cycles=set_aside,
                ),
            ),
            call_contexts=state.call_contexts.set(
                context_id,
                CallContext(
                    canister=call.callee,
                    origin=call.origin,
                    caller=call.caller,
                    needs_to_respond=True,
                    deleted=False,
                    available_cycles=call.transferred_cycles,
                ),
            ),
            canisters=state.canisters.set(call.callee, evolve(callee, balance=callee.balance - set_aside)),
        )
    )


@transition(title="Call context creation: Heartbeat", source="abstract-behavior#call-context-creation")
@defines("rule.call-context-creation.heartbeat", "unspec.spont.heartbeat")
def heartbeat_context_creation(state: State, *, canister_id: CanisterId, context_id: CallContextId) -> Step:
    """The heartbeat of a running canister that exports one may run at any time."""
    # CONDITIONS
    canister = running_canister_with_cycles(state, canister_id)
    require_no_hook_due(canister)
    require(module_of(state.profile, code_of(canister)).has_heartbeat, "the module exports a heartbeat")
    require_fresh_context_id(state, context_id)

    # STATE AFTER
    return Step(with_system_task(state, canister_id, canister, context_id, Heartbeat()))


@transition(title="Call context creation: Global timer", source="abstract-behavior#call-context-creation")
@defines("rule.call-context-creation.global-timer", "inv.timer-fires-once", "unspec.spont.global-timer")
def global_timer_context_creation(state: State, *, canister_id: CanisterId, context_id: CallContextId) -> Step:
    """The global timer of a running canister is due: it is switched off and its hook runs."""
    # CONDITIONS
    canister = running_canister_with_cycles(state, canister_id)
    require_no_hook_due(canister)
    require(module_of(state.profile, code_of(canister)).has_global_timer, "the module exports a global timer")
    require(canister.global_timer != 0, "the timer is set")
    require(canister.time >= canister.global_timer, "the time of the timer has come")
    require_fresh_context_id(state, context_id)

    # STATE AFTER
    return Step(with_system_task(state, canister_id, evolve(canister, global_timer=0), context_id, GlobalTimer()))


@defines("setting.minimum-incoming-canister-call-cycles")
def brings_enough_cycles(call: CallMessage, callee: Canister) -> bool:
    """As many cycles are attached as the callee asks for; it asks only other canisters."""
    return (
        not isinstance(call.origin, FromCanister)
        or call.caller.principal == call.callee
        or call.transferred_cycles >= callee.settings.minimum_incoming_canister_call_cycles
    )


@defines("inv.low-memory-hook-once")
def require_no_hook_due(canister: Canister) -> None:
    """States that the low-memory hook is not due: as long as it is, only it and callbacks can be executed."""
    require(canister.low_memory_hook != HookStatus.READY, "the low-memory hook is not due")


def running_canister_with_cycles(state: State, canister_id: CanisterId) -> Canister:
    """A running canister with code that can set aside the cycles for a system task."""
    canister = existing_canister(state, canister_id)
    code_of(canister)
    require(isinstance(canister.status, Running), "the canister is running")
    require(
        liquid_balance(state.profile, canister) >= cycles_set_aside_for_task(state.profile, canister),
        "the canister can set aside the cycles for the execution",
    )
    return canister


def with_system_task(
    state: State, canister_id: CanisterId, canister: Canister, context_id: CallContextId, entry_point: EntryPoint
) -> State:
    """The state in which a system task is about to run in a call context of its own."""
    set_aside = cycles_set_aside_for_task(state.profile, canister)
    caller = Caller(MANAGEMENT_CANISTER)
    return evolve(
        state,
        messages=state.messages.prepend(
            FuncMessage(
                call_context=context_id,
                caller=caller,
                receiver=canister_id,
                entry_point=entry_point,
                queue=Between(MANAGEMENT_CANISTER, canister_id),
                reserved_cycles=set_aside,
            )
        ),
        call_contexts=state.call_contexts.set(
            context_id,
            CallContext(
                canister=canister_id,
                origin=FromSystemTask(),
                caller=caller,
                needs_to_respond=False,
                deleted=False,
                available_cycles=0,
            ),
        ),
        canisters=state.canisters.set(canister_id, evolve(canister, balance=canister.balance - set_aside)),
    )
