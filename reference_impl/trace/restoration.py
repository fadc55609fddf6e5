"""An instance as it was: canisters with all that the engine keeps of them, and what was under way."""

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, InstalledCode
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.module import MalformedModule
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, Subnet
from spec.state.message import Message
from spec.state.request import KnownRequest
from spec.values.identifiers import CallContextId, CanisterId, Principal, RequestId, SnapshotId, SubnetId, Text
from spec.values.quantities import Count, Cycles, Nanoseconds


@frozen
class KeptCanister:
    """A canister, and what the engine keeps of it beside the specification's state."""

    canister_id: CanisterId
    canister: Canister
    consumed: Mapping[Text, Cycles] = field(factory=dict)
    open_calls: Mapping[CanisterId, Count] = field(factory=dict)
    stop_calls_since: tuple[Nanoseconds, ...] = ()
    heartbeat_at: Nanoseconds | None = None


@frozen
class Turns:
    """Whose turn it is where the order of the messages does not say it."""

    received: tuple[RequestId, ...] = ()
    """The requests that are not started yet."""
    unreferenced: tuple[CallContextId, ...] = ()
    """The call contexts in which no call waits for its response."""
    inboxes: tuple[tuple[CanisterId, tuple[CanisterId | None, ...], tuple[int, ...]], ...] = ()
    """By receiver: the senders that wait, None for users, and the calls of users."""
    responses: tuple[int, ...] = ()
    user_responses: tuple[int, ...] = ()
    stopping: tuple[CanisterId, ...] = ()
    hooks_due: tuple[CanisterId, ...] = ()


@frozen
class UnderWay:
    """What an instance was about to do, which ids it has used, and what it has counted."""

    requests: tuple[tuple[RequestId, KnownRequest], ...] = ()
    contexts: tuple[tuple[CallContextId, CallContext, Count], ...] = ()
    """With the number of calls made in each that are not answered."""
    next_context_id: int = 0
    messages: tuple[tuple[int, Message], ...] = ()
    """In their order."""
    next_message_id: int = 0
    away: tuple[int, ...] = ()
    """The ids of the calls that have left the subnet."""
    reject_texts: Mapping[int, Text] = field(factory=dict)
    deleted_canisters: tuple[CanisterId, ...] = ()
    used_snapshot_ids: tuple[SnapshotId, ...] = ()
    next_canister_numbers: Mapping[SubnetId, Count] = field(factory=dict)
    executions: Count = 0
    cycles_burned: Cycles = 0
    turns: Turns | None = None
    """None where they were not kept: then all are in the order of the messages."""


def kept_canister(record: CanisterRecord) -> KeptCanister:
    """A canister as it is now."""
    return KeptCanister(
        record.canister_id,
        record.frozen(),
        dict(record.consumed),
        dict(record.open_calls),
        tuple(record.stop_calls_since),
        record.heartbeat_at,
    )


def under_way(instance: SubnetInstance) -> UnderWay:
    """What is under way now, without the requests, which may be many. No function may be about to run."""
    assert instance.messages.pending_function is None, "an instance is kept between rounds"
    return UnderWay(
        (),
        tuple(
            (one, instance.contexts[one].frozen(), instance.contexts[one].unanswered_calls) for one in instance.contexts
        ),
        instance.contexts.next_id,
        tuple(instance.messages.in_order()),
        instance.messages.next_id,
        tuple(instance.messages.away),
        dict(instance.reject_texts),
        tuple(instance.deleted_canisters),
        tuple(instance.used_snapshot_ids),
        dict(instance.next_canister_numbers),
        instance.recorder.executions,
        instance.recorder.cycles_burned,
        _turns(instance),
    )


def _turns(instance: SubnetInstance) -> Turns:
    return Turns(
        tuple(instance.ingress.received()),
        tuple(instance.contexts.unreferenced),
        instance.messages.turns,
        *instance.messages.order_of_responses,
        tuple(instance.stopping),
        tuple(instance.hooks_due),
    )


def bring_back_canisters(instance: SubnetInstance, kept: Iterable[KeptCanister], subnet: Subnet | None = None) -> None:
    """
    Canisters come back, to the subnet given, or each to the one on which it was.

    Raises `ValueError` if one has code that cannot be loaded.
    """
    for one in kept:
        instance.add_canister(_record(instance, one, one.canister.subnet if subnet is None else subnet))


def _record(instance: SubnetInstance, kept: KeptCanister, subnet: Subnet) -> CanisterRecord:
    canister = kept.canister
    record = CanisterRecord(
        canister_id=kept.canister_id,
        settings=canister.settings,
        subnet=subnet,
        time=canister.time,
        created_at=canister.created_at,
        balance=canister.balance,
        reserved_balance=canister.reserved_balance,
        code=_code(instance, canister),
        version=canister.version,
        global_timer=canister.global_timer,
        certified_data=canister.certified_data,
        installed_at=canister.installed_at,
        low_memory_hook=canister.low_memory_hook,
        chunk_store=dict(canister.chunk_store.items()),
        open_calls=Counter(dict(kept.open_calls)),
        logs=list(canister.logs),
        next_log_index=canister.next_log_index,
        snapshots=dict(canister.snapshots.items()),
        consumed=dict(kept.consumed),
        stop_calls_since=list(kept.stop_calls_since),
        heartbeat_at=kept.heartbeat_at,
    )
    for change in canister.history.recent_changes:
        record.history.record(change)
    record.history.total = canister.history.total_changes
    instance.set_status(record, canister.status)
    return record


def _code(instance: SubnetInstance, canister: Canister) -> InstalledCode | None:
    if not isinstance(canister.code, Code):
        return None
    loaded = instance.load(canister.code.raw_module)
    if isinstance(loaded, MalformedModule):
        raise ValueError("a module that was kept cannot be loaded")
    return InstalledCode(loaded, canister.code.wasm_state)


def resume(instance: SubnetInstance, kept: UnderWay) -> None:
    """What was under way goes on. The canisters that it concerns must be there."""
    for request_id, known in kept.requests:
        instance.ingress.remember(request_id, known)
    for context_id, context, unanswered in kept.contexts:
        opened = OpenContext(
            context.canister,
            context.origin,
            context.caller,
            needs_to_respond=context.needs_to_respond,
            cycles=context.available_cycles,
        )
        opened.deleted, opened.instructions_used = context.deleted, context.instructions_used
        opened.last_failure = context.last_failure
        instance.contexts.open(context_id, opened)
        for _ in range(unanswered):
            instance.contexts.call_made(context_id)
    instance.contexts.next_id = CallContextId(kept.next_context_id)
    instance.messages.refill(kept.messages, kept.next_message_id, kept.away)
    instance.reject_texts.update(kept.reject_texts)
    instance.deleted_canisters.update(dict.fromkeys(map(Principal, kept.deleted_canisters)))
    instance.used_snapshot_ids.update(dict.fromkeys(kept.used_snapshot_ids))
    instance.next_canister_numbers.update(kept.next_canister_numbers)
    instance.recorder.executions, instance.recorder.cycles_burned = kept.executions, kept.cycles_burned
    if kept.turns is not None:
        _take_turns(instance, kept.turns)


def _take_turns(instance: SubnetInstance, turns: Turns) -> None:
    instance.ingress.reorder_received(turns.received)
    instance.contexts.reorder_unreferenced(turns.unreferenced)
    instance.messages.reorder(turns.inboxes, turns.responses, turns.user_responses)
    instance.stopping = dict.fromkeys(turns.stopping)
    instance.hooks_due = dict.fromkeys(turns.hooks_due)
