"""
Calls to the management canister in a round: which of them are executed, and the answers of the outside world.

They come before the canisters in every iteration, as many as can be executed. Those that take long use a budget of
their own; an installation may be divided into slices, and one at most goes on at a time. A call that fails counts no
instructions, because the rules do not say how far it got.
"""

from typing import Any, Final

from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.fees import INSTRUCTIONS_OF_RATE, ingress_fee
from spec.production.capacities.management import Debits, error_for_lack, error_for_outcall, error_for_soon
from spec.production.choices import as_production
from spec.production.errors import ProductionError
from spec.production.rounds.executions import used_since
from spec.production.rounds.inputs import OUTSIDE_METHODS, Item, choose, inputs_of, started
from spec.production.rounds.payments import paid
from spec.production.rounds.progress import Progress, changed_memory, followed
from spec.production.rounds.round_state import Beginning, LongExecution
from spec.production.streams.addresses import canister_concerned
from spec.rules.management.rejection import METHODS, first_reject, some_choices
from spec.rules.resources import liquid_balance, management_cost
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromUser
from spec.state.state import State
from spec.transition import BurnReason, Rule, Step
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, SnapshotId
from spec.values.quantities import OS_PAGE, ByteCount, Count, Instructions
from spec.values.rejects import RejectCode, RejectReason

SNAPSHOT_WRITING: Final = (
    "take_canister_snapshot",
    "load_canister_snapshot",
    "upload_canister_snapshot_metadata",
    "upload_canister_snapshot_data",
)
INSTALLING: Final = ("install_code", "install_chunked_code")

EXPENSIVE: Final = frozenset(
    (
        *INSTALLING,
        *SNAPSHOT_WRITING,
        "upload_chunk",
        "read_canister_snapshot_metadata",
        "read_canister_snapshot_data",
    )
)
"""
Methods that wait for a round with management instructions left. Source: facts on the round, management methods, where
`fetch_canister_logs` is one of them; here it is a query only.
"""

NOT_WHILE_ABORTED: Final = frozenset(
    (
        *INSTALLING,
        *SNAPSHOT_WRITING,
        "upload_chunk",
        "start_canister",
        "stop_canister",
        "uninstall_code",
        "clear_chunk_store",
        "delete_canister_snapshot",
        "delete_canister",
    )
)
"""Methods that wait until an aborted execution of the canister has come to its end. Source: likewise."""

OUTSIDE_RULES: Final = frozenset(("outside_call_failure", *OUTSIDE_METHODS))
"""The rules whose labels come from outside. Each method has one rule, of its own name."""


def budget_left(progress: Progress) -> int:
    """How many management instructions are left in the round; the last call may take more than there is."""
    rounds = progress.state.profile.rounds
    return rounds.round_instructions // rounds.management_share - progress.management_instructions


def managed(progress: Progress) -> Progress:
    """After all calls to the management canister that can be executed now; none after an installation is paused."""
    while True:
        inputs = inputs_of(progress, MANAGEMENT_CANISTER)

        def may_be_taken(item: Item, now: Progress = progress) -> bool:
            return is_executable(now, item)

        chosen = choose(inputs, progress.rounds.management, may_be_taken)
        progress = evolve(progress, rounds=evolve(progress.rounds, management=chosen.rotation))
        if chosen.item is None:
            return progress
        slices = progress.slices
        progress = handled(*started(progress, chosen.item))
        if progress.slices != slices:
            return progress


def is_executable(progress: Progress, item: Item) -> bool:
    """A call can be executed now: neither its canister, nor the budget, nor a call before it is in the way."""
    progress, message_id = started(progress, item)
    call = progress.state.messages[message_id]
    assert isinstance(call, CallMessage)
    if may_not_touch(progress, call) or call.caller.principal in progress.rounds.asking:
        return False
    if call.method_name in EXPENSIVE and budget_left(progress) <= 0:
        return False
    if call.method_name in INSTALLING and long_installation(progress) is not None:
        return False
    return response_to(progress, message_id, call) is not None


def may_not_touch(progress: Progress, call: CallMessage) -> bool:
    """The canister that a call is about is in a long execution or installation that the call would disturb."""
    canister_id = canister_concerned(call.method_name, call.argument)
    long = None if canister_id is None else progress.long_execution(canister_id)
    if long is None:
        return False
    return long.is_paused or long.is_installation or call.method_name in NOT_WHILE_ABORTED


def response_to(progress: Progress, message_id: MessageId, call: CallMessage) -> Label | None:
    """The label that handles a call: its rule, its rejection, or its departure to the outside world."""
    labels = [rejection_of(progress.state, message_id, call)]
    if call.method_name in OUTSIDE_METHODS:
        labels.append(Label("outside_call_departure", {"message_id": message_id}))
    else:
        labels += [label_for(progress, message_id, rule) for rule in METHODS.get(call.method_name, ())]
    for label in labels:
        fired = progress.tried(label)
        if fired is not None:
            error = None if label is labels[0] else error_of_system(progress, call, fired)
            return label if error is None else refusal_of_system(message_id, error)
    return None


def error_of_system(progress: Progress, call: CallMessage, fired: Step) -> ProductionError | None:
    """The error of a call that the rules allow and that the subnet has no capacity for, or that comes too soon."""
    profile = progress.state.profile
    if call.method_name == "http_request":
        return error_for_outcall(progress.state, profile.capacities)
    canister_id = canister_concerned(call.method_name, call.argument)
    if canister_id is not None:
        record = progress.record(canister_id)
        error = error_for_soon(call.method_name, Debits(record.heap_delta_debit, record.install_debit), profile.rounds)
        if error is not None:
            return error
    return error_for_lack(progress.state, fired.state, progress.room_of_core())


def refusal_of_system(message_id: MessageId, error: ProductionError) -> Label:
    """The label with which the system rejects a call."""
    return Label("spontaneous_call_rejection", {"message_id": message_id, "code": error.code})


def rejection_of(state: State, message_id: MessageId, call: CallMessage) -> Label:
    """The label that rejects a call as production does, if it has to be rejected."""
    reject = first_reject(state, message_id, call.method_name)
    code = RejectCode.CANISTER_ERROR if reject is None else reject.code
    return as_production(state, Label("management_call_rejection", {"message_id": message_id, "code": code}))


def label_for(progress: Progress, message_id: MessageId, rule: Rule) -> Label:
    """The label of a method's rule: free ids are the first ones, other choices the first that the rules know."""
    choices: dict[str, Any] = {"message_id": message_id, **some_choices(progress.state, message_id, rule)}
    if "snapshot_id" in choices:
        call = progress.state.messages[message_id]
        assert isinstance(call, CallMessage)
        choices["snapshot_id"] = id_of_snapshot(progress.state, canister_concerned(call.method_name, call.argument))
    return Label(rule.name, choices)


def id_of_snapshot(state: State, canister_id: CanisterId | None) -> SnapshotId:
    """A number, and the id of the canister. Production counts for each canister alone."""
    return SnapshotId(len(state.used_snapshot_ids).to_bytes(8, "big") + (canister_id or b""))


def handled(progress: Progress, message_id: MessageId) -> Progress:
    """After a call was executed, or begun, or put off until the next round."""
    call = progress.state.messages[message_id]
    assert isinstance(call, CallMessage)
    label = response_to(progress, message_id, call)
    assert label is not None
    if label.rule == "raw_rand":
        postponed = (*progress.rounds.postponed, message_id)
        return evolve(progress, rounds=evolve(progress.rounds, postponed=postponed))
    canister_id = canister_concerned(call.method_name, call.argument)
    if label.rule in ("install_code", "upgrade_code"):
        assert canister_id is not None
        return installing(progress, canister_id, Beginning(label.rule, message_id))
    fired = progress.tried(label)
    assert fired is not None
    after = followed(progress.took(label, fired))
    if label.rule in ("start_stopping_canister", "stop_running_canister"):
        assert canister_id is not None
        stop_calls = after.rounds.stop_calls.set(canister_id, ())
        after = evolve(after, rounds=evolve(after.rounds, stop_calls=stop_calls))
    after = work_paid(settings_paid(after, call, label), call, label, fired)
    used = instructions_paid(progress, fired) if call.method_name in EXPENSIVE else 0
    after = evolve(after, management_instructions=after.management_instructions + used)
    if label.rule == "install_chunked_code":
        return handled(after, message_id)
    is_done = label.rule not in ("management_call_rejection", "spontaneous_call_rejection")
    if canister_id is None or not is_done or call.method_name not in (*SNAPSHOT_WRITING, "upload_chunk"):
        return after
    return with_heap_delta(after, canister_id, stored(progress.state, after.state, canister_id, call))


def settings_paid(progress: Progress, call: CallMessage, label: Label) -> Progress:
    """After a change of settings was paid for that cost nothing when it came, if the canister can pay for it now."""
    if not isinstance(call.origin, FromUser) or call.origin.request_id not in progress.rounds.paid_afterwards:
        return progress
    owing = tuple(one for one in progress.rounds.paid_afterwards if one != call.origin.request_id)
    progress = evolve(progress, rounds=evolve(progress.rounds, paid_afterwards=owing))
    canister_id = canister_concerned(call.method_name, call.argument)
    if label.rule != "update_settings" or canister_id is None or canister_id not in progress.state.canisters:
        return progress
    canister = progress.state.canisters[canister_id]
    size = len(call.method_name) + len(call.argument)
    fee = ingress_fee(progress.state.profile.fees, size, canister.subnet.subnet_size)
    is_frozen = liquid_balance(progress.state.profile, canister) < fee
    return progress if is_frozen else paid(progress, canister_id, fee)


def work_paid(progress: Progress, call: CallMessage, label: Label, fired: Step) -> Progress:
    """
    After a canister paid for work that the rules charge nobody for.

    That is putting together a module from chunks, an instruction for each byte that they may have, even if it has
    another hash than was given; and storing a chunk for which the subnet has no memory.
    """
    canister_id = canister_concerned(call.method_name, call.argument)
    if canister_id is None or canister_id not in progress.state.canisters:
        return progress
    limits = progress.state.profile.limits
    instructions = 0
    if label.rule == "spontaneous_call_rejection" and call.method_name == "upload_chunk":
        instructions = limits.upload_chunk_instructions
    if label.rule == "install_chunked_code" or rejects_for(label, fired, RejectReason.MODULE_HASH_MISMATCH):
        arguments = management.decode_arguments(call.method_name, call.argument)
        assert isinstance(arguments, management.InstallChunkedCodeArguments)
        instructions = limits.chunk_size * len(arguments.chunk_hashes_list)
    size = progress.state.canisters[canister_id].subnet.subnet_size
    after = evolve(progress, management_instructions=progress.management_instructions + instructions)
    return paid(after, canister_id, management_cost(progress.state.profile, instructions, size))


def rejects_for(label: Label, fired: Step, reason: RejectReason) -> bool:
    """The label rejects a management call for this reason."""
    if label.rule != "management_call_rejection":
        return False
    answer = list(fired.state.messages)[-1]
    return isinstance(answer, ResponseMessage) and getattr(answer.response, "reason", None) is reason


def stored(before: State, after: State, canister_id: CanisterId, call: CallMessage) -> ByteCount:
    """
    What a call wrote into the chunk store of a canister or its snapshots, or from a snapshot into its memory.

    Of a snapshot that is taken count the pages of its memories that hold anything; production counts those of them
    that have changed since the last checkpoint.
    """
    earlier, later = before.canisters[canister_id], after.canisters[canister_id]
    chunks = max(len(later.chunk_store) - len(earlier.chunk_store), 0)
    snapshots = [one for snapshot_id, one in later.snapshots.items() if snapshot_id not in earlier.snapshots]
    uploaded = getattr(management.decode_arguments(call.method_name, call.argument), "chunk", b"")
    return (
        before.profile.limits.chunk_size * chunks
        + sum(written_pages(snapshot.wasm_state) for snapshot in snapshots) * OS_PAGE
        + (len(uploaded) if call.method_name == "upload_canister_snapshot_data" else 0)
        + changed_memory(before, after, canister_id)
    )


def written_pages(wasm_state: WasmState) -> Count:
    """How many 4 KiB pages of heap and stable memory hold anything."""
    return len(wasm_state.wasm_memory.contents) + len(wasm_state.stable_memory.contents)


def instructions_paid(progress: Progress, fired: Step) -> Instructions:
    """The instructions of a management call, from what its canister was charged for them; 0 where they are free."""
    fees = progress.state.profile.fees
    if fees.ten_instructions_wasm32 == 0:
        return 0
    cycles = sum(burned.cycles for burned in fired.burned if burned.reason is BurnReason.EXECUTION)
    unscaled = cycles * fees.reference_subnet_size // progress.state.subnet.subnet_size
    return unscaled * INSTRUCTIONS_OF_RATE // fees.ten_instructions_wasm32


# Installations


def installing(progress: Progress, canister_id: CanisterId, beginning: Beginning) -> Progress:
    """After an installation, or its first slice."""
    after = installed(progress, canister_id, beginning)
    instructions = used_since(progress, after)
    one_slice = progress.state.profile.rounds.install_slice_instructions
    if instructions <= one_slice:
        return evolve(after, management_instructions=after.management_instructions + instructions)
    long = LongExecution(beginning, instructions, one_slice, is_installation=True)
    return installed_slice(progress.with_long_execution(canister_id, long), canister_id, one_slice)


def installed(progress: Progress, canister_id: CanisterId, beginning: Beginning) -> Progress:
    """After the whole of an installation; its instructions and its memory are added to the canister's debits."""
    after = progress.take(Label(beginning.rule, {"message_id": beginning.subject}))
    changed = changed_memory(progress.state, after.state, canister_id)
    record = after.record(canister_id)
    record = evolve(record, install_debit=record.install_debit + used_since(progress, after))
    return followed(with_heap_delta(after.with_record(canister_id, record), canister_id, changed))


def with_heap_delta(progress: Progress, canister_id: CanisterId, changed: ByteCount) -> Progress:
    """After a canister changed some bytes."""
    record = progress.record(canister_id)
    record = evolve(record, heap_delta_debit=record.heap_delta_debit + changed)
    rounds = evolve(progress.rounds, heap_delta=progress.rounds.heap_delta + changed)
    return evolve(progress, rounds=rounds).with_record(canister_id, record)


def installed_slice(progress: Progress, canister_id: CanisterId, instructions: Instructions) -> Progress:
    """After a slice of an installation that goes on."""
    return evolve(
        progress,
        slices=(*progress.slices, (canister_id, instructions)),
        management_instructions=progress.management_instructions + instructions,
    )


def long_installation(progress: Progress) -> CanisterId | None:
    """The canister on which a long installation goes on; there is one at most."""
    known = progress.rounds.long_executions.items()
    return next((canister_id for canister_id, long in known if long.is_installation), None)


def with_installation_resumed(progress: Progress) -> Progress:
    """After the long installation went on by a slice, if there is one."""
    canister_id = long_installation(progress)
    if canister_id is None:
        return progress
    return installation_resumed(progress, canister_id, progress.rounds.long_executions[canister_id])


def installation_resumed(progress: Progress, canister_id: CanisterId, long: LongExecution) -> Progress:
    """After a long installation went on, or began anew."""
    free = progress.with_long_execution(canister_id, None)
    label = Label(long.beginning.rule, {"message_id": long.beginning.subject})
    if free.tried(label) is None:
        # Reason: it cannot succeed any more; the call is rejected when it is taken again.
        return free
    if long.is_aborted:
        return installing(free, canister_id, long.beginning)
    one_slice = progress.state.profile.rounds.install_slice_instructions
    left = long.instructions - long.executed
    if left > one_slice:
        more = evolve(long, executed=long.executed + one_slice)
        return installed_slice(progress.with_long_execution(canister_id, more), canister_id, one_slice)
    after = installed(free, canister_id, long.beginning)
    return evolve(after, management_instructions=after.management_instructions + left)


# The outside world


def answered_from_outside(progress: Progress, answers: tuple[Label, ...]) -> Progress:
    """After the answers of the outside world; one whose call is gone is passed over."""
    for label in answers:
        if label.rule not in OUTSIDE_RULES:
            raise ValueError(f"the outside world does not answer with {label.rule}")
        progress = followed(progress.take_if_enabled(label))
    return progress


@defines("seed1.canister-randomness")
def randomness_given(progress: Progress, seeds: tuple[Blob, ...]) -> Progress:
    """After the calls for randomness of earlier rounds were answered, in order, each with bytes of its own."""
    waiting = progress.rounds.postponed
    progress = evolve(progress, rounds=evolve(progress.rounds, postponed=()))
    for message_id, randomness in zip(waiting, seeds, strict=True):
        label = Label("raw_rand", {"message_id": message_id, "randomness": randomness})
        progress = followed(progress.take_if_enabled(label))
    return progress
