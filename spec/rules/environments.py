"""The environment that an execution sees."""

from spec.canister.environment import Environment
from spec.rules.resources import (
    memory_usage_of_chunk_store,
    memory_usage_of_history,
    memory_usage_of_raw_module,
    memory_usage_of_snapshots,
)
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, simple_status
from spec.state.origin import Deadline, Expired, FromCanister
from spec.state.state import State
from spec.transition import opaque
from spec.values.checklist import defines
from spec.values.quantities import Count, Instructions, Nanoseconds


@defines("def.message-execution-env")
def environment_of(
    state: State,
    canister: Canister,
    code: Code,
    limit: Instructions,
    context: CallContext | None = None,
    refused_calls: tuple[Count, ...] = (),
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Environment:
    """`Env`, read from the state before the execution. Source: abstract-behavior, message execution."""
    return Environment(
        profile=state.profile,
        instruction_limit=limit,
        time=canister.time,
        controllers=canister.settings.controllers,
        global_timer=canister.global_timer,
        balance=canister.balance,
        reserved_balance=canister.reserved_balance,
        reserved_balance_limit=canister.settings.reserved_balance_limit,
        compute_allocation=canister.settings.compute_allocation,
        memory_allocation=canister.settings.memory_allocation,
        memory_usage_raw_module=memory_usage_of_raw_module(state.profile, code.raw_module),
        memory_usage_canister_history=memory_usage_of_history(canister.history),
        memory_usage_chunk_store=memory_usage_of_chunk_store(canister.chunk_store),
        memory_usage_snapshots=memory_usage_of_snapshots(canister.snapshots),
        freezing_threshold=canister.settings.freezing_threshold,
        subnet_id=canister.subnet.subnet_id,
        subnet_size=canister.subnet.subnet_size,
        root_key=state.root_key,
        certificate=None,
        status=simple_status(canister.status),
        canister_version=canister.version,
        environment_variables=canister.settings.environment_variables,
        call_context_instructions=0 if context is None else context.instructions_used,
        refused_calls=refused_calls,
        refused_growths=refused_growths,
        trapping_growths=trapping_growths,
    )


@opaque
def counted_from(numbers: tuple[Count, ...], first: Count) -> tuple[Count, ...]:
    """Those numbers that are left after so many, counted from there: what is refused to the execution that follows."""
    return tuple(number - first for number in numbers if number >= first)


@defines("def.deadline-of-context")
def deadline_of(context: CallContext) -> Nanoseconds | None:
    """The deadline of a call context, also after it expired. Source: abstract-behavior, `deadline_of_context`."""
    match context.origin:
        case FromCanister(deadline=Deadline(time=time) | Expired(time=time)):
            return time
        case _:
            return None
