"""
Calls to the management canister in a round.

They come before the canisters in every iteration, as many as can be executed; what takes long has a budget of its
own. Source: facts on the round, L1 and management_methods; rs/execution_environment/src/scheduler.rs.
"""

from typing import Final

from reference_impl.management import methods as management
from reference_impl.management.outside_calls import QUESTIONS
from reference_impl.management.verdicts import HooksFailed
from reference_impl.rounds import transitions
from reference_impl.rounds.production.addresses import canister_about
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor, LongRun
from reference_impl.rounds.production.executions import Memories, Trial
from reference_impl.rounds.production.payments import pay
from reference_impl.rounds.production.refusals import CHANGING, Refused, counts, refused_after, refused_before
from reference_impl.rounds.production.turns import Item
from reference_impl.subnet.canister_record import CHUNK_SIZE
from reference_impl.subnet.ledger import ingress_fee
from reference_impl.subnet.observations import Purpose
from spec.state.message import CallMessage, ResponseMessage, Unordered
from spec.state.origin import FromUser
from spec.values.identifiers import Blob, CanisterId, MethodName, SnapshotId
from spec.values.management import InstallChunkedCodeArguments, decode_arguments
from spec.values.quantities import OS_PAGE, ByteCount, Count, Instructions
from spec.values.rejects import Reject, RejectReason

INSTALLING: Final = frozenset(("install_code", "install_chunked_code"))
BUDGETED: Final = INSTALLING | CHANGING | {"read_canister_snapshot_metadata", "read_canister_snapshot_data"}
"""Methods that wait for a round with instructions left. Logs can be fetched by query alone here."""
DISTURBING: Final = (
    INSTALLING
    | CHANGING
    | {
        "start_canister",
        "stop_canister",
        "uninstall_code",
        "clear_chunk_store",
        "delete_canister_snapshot",
        "delete_canister",
    }
)
"""Methods that wait for an aborted execution of the canister to end."""


def handle_management_calls(conductor: Conductor) -> None:
    """Calls are executed as long as one can be; an installation that is paused ends it for this iteration."""
    while (item := conductor.management.take(lambda one: _can_execute(conductor, one))) is not None:
        if not _handle(conductor, conductor.started(item)):
            return


def installation_under_way(conductor: Conductor) -> CanisterId | None:
    """The canister on which a long installation goes on; there is one at most."""
    return next((one for one, run in sorted(conductor.long_runs.items()) if run.is_installation), None)


def _can_execute(conductor: Conductor, item: Item) -> bool:
    instance = conductor.instance
    if isinstance(item, int):
        message = instance.messages[item]
        assert isinstance(message, CallMessage)
        if not instance.messages.is_eligible(item) or _asks_elsewhere(conductor, message):
            return False
        method, argument = message.method_name, message.argument
        if method in QUESTIONS and isinstance(message.queue, Unordered):
            return False
    else:
        request = instance.ingress[item].request
        method, argument = request.method_name, request.argument
    if _would_disturb(conductor, method, canister_about(method, argument)):
        return False
    rounds = instance.profile.rounds
    budget = rounds.round_instructions // rounds.management_share
    if method in BUDGETED and conductor.notes.management_instructions >= budget:
        conductor.reached[Capacity.MANAGEMENT_BUDGET] += 1
        return False
    if method in INSTALLING and installation_under_way(conductor) is not None:
        conductor.reached[Capacity.ONE_INSTALLATION] += 1
        return False
    return True


def _asks_elsewhere(conductor: Conductor, message: CallMessage) -> bool:
    """Whoever makes the call waits for the answer of another subnet's management canister."""
    correspondence = conductor.instance.correspondence
    return correspondence is not None and message.caller.principal in correspondence.asking


def _would_disturb(conductor: Conductor, method: MethodName, about: CanisterId | None) -> bool:
    run = None if about is None else conductor.long_runs.get(about)
    if run is None:
        return False
    return run.is_installation or not run.is_aborted or method in DISTURBING


def _handle(conductor: Conductor, message_id: int) -> bool:
    """A call is executed, or put off; False if it is an installation that goes on later."""
    instance = conductor.instance
    call = management.management_call(instance, message_id, {})
    assert call is not None
    message, method = call.message, call.message.method_name
    about = canister_about(method, message.argument)
    refused = refused_before(conductor, method, about)
    if method in QUESTIONS or method == "raw_rand" or refused is not None:
        verdict = management.verdict_on(instance, call)
        if not isinstance(verdict, Reject | HooksFailed):
            return _wait_or_refuse(conductor, message_id, message, refused)
    return _execute(conductor, message_id, message, about)


def _wait_or_refuse(conductor: Conductor, message_id: int, message: CallMessage, refused: Refused | None) -> bool:
    """A call is refused, leaves for the outside world, or waits for the randomness of the next round."""
    if refused is not None:
        _refuse(conductor, message_id, message, refused)
    elif message.method_name == "raw_rand":
        conductor.postponed.append(message_id)
        conductor.held.add(message_id)
    else:
        conductor.must_take("outside_call_departure", message_id=message_id)
        conductor.held.add(message_id)
        conductor.follow()
        _pay_for_settings(conductor, message, "outside_call_departure")
    return True


def _refuse(conductor: Conductor, message_id: int, message: CallMessage, refused: Refused) -> None:
    conductor.reached[refused.capacity] += 1
    conductor.must_take("spontaneous_call_rejection", message_id=message_id, code=int(refused.code))
    conductor.follow()
    _pay_for_settings(conductor, message, "spontaneous_call_rejection")
    if message.method_name == "upload_chunk":
        _pay_for_work(conductor, message, conductor.instance.profile.limits.upload_chunk_instructions)


def _execute(conductor: Conductor, message_id: int, message: CallMessage, about: CanisterId | None) -> bool:
    instance = conductor.instance
    trial, before = Trial(conductor), _Before(conductor, about)
    transitions.take_management_call(instance, message_id)
    rule = instance.recorder.last_step.label.rule
    if rule != transitions.REJECTION:
        refused = refused_after(conductor, trial.memory_before, before.counts)
        if refused is not None:
            trial.take_back()
            _refuse(conductor, message_id, message, refused)
            return True
    conductor.note_step(trial.next_message)
    if rule in ("install_code", "upgrade_code"):
        assert about is not None
        return _installed(conductor, trial, before, rule, message_id, about)
    used = _paid_instructions(conductor) if message.method_name in BUDGETED else 0
    conductor.follow()
    _pay_for_settings(conductor, message, rule)
    if rule == "install_chunked_code" or _rejected_for_hash(conductor, rule, message_id):
        _pay_for_chunks(conductor, message)
    conductor.notes.management_instructions += used
    if message.method_name in CHANGING and rule != transitions.REJECTION and about is not None:
        _add_heap_delta(conductor, about, before.stored(message))
    if rule == "install_chunked_code":
        return _handle(conductor, message_id)
    return True


def _paid_instructions(conductor: Conductor) -> Instructions:
    """The instructions of the latest call, from what its canister was charged."""
    price = conductor.instance.profile.fees.ten_instructions_wasm32
    if not price:
        return 0
    burned = conductor.instance.recorder.last.burned
    cycles = sum(amount for purpose, amount in burned if purpose is Purpose.EXECUTION)
    reference_size = conductor.instance.profile.fees.reference_subnet_size
    return cycles * reference_size // conductor.instance.subnet.subnet_size * 10 // price


def _rejected_for_hash(conductor: Conductor, rule: str, message_id: int) -> bool:
    """The latest step rejected the call because a module is not the one that was announced."""
    if rule != transitions.REJECTION:
        return False
    answer = conductor.instance.messages.get(conductor.instance.messages.next_id - 1)
    rejected = answer.response if isinstance(answer, ResponseMessage) else None
    return isinstance(rejected, Reject) and rejected.reason is RejectReason.MODULE_HASH_MISMATCH


class _Before:
    """What a management call may change, as it was."""

    def __init__(self, conductor: Conductor, about: CanisterId | None) -> None:
        self._conductor = conductor
        self._about = about
        self.counts = counts(conductor)
        canister = None if about is None else conductor.instance.canisters.get(about)
        self._chunks: Count = 0 if canister is None else len(canister.chunk_store)
        self._snapshots: frozenset[SnapshotId] = frozenset(() if canister is None else canister.snapshots)
        self._memories = None if about is None else Memories(conductor, about)

    def changed_memory(self) -> ByteCount:
        """What was changed of heap and stable memory."""
        return 0 if self._memories is None else self._memories.changed()

    def stored(self, message: CallMessage) -> ByteCount:
        """
        What a call has written: chunks, with all that each may hold, pages of new snapshots, data, and memory.

        Of a snapshot that is taken those pages count that hold anything.
        """
        assert self._about is not None
        canister = self._conductor.canister(self._about)
        new = [snapshot for one, snapshot in canister.snapshots.items() if one not in self._snapshots]
        pages = sum(
            len(one.wasm_state.wasm_memory.contents) + len(one.wasm_state.stable_memory.contents) for one in new
        )
        chunks = max(len(canister.chunk_store) - self._chunks, 0)
        data: Blob = b""
        if message.method_name == "upload_canister_snapshot_data":
            data = getattr(decode_arguments(message.method_name, message.argument), "chunk", b"")
        return CHUNK_SIZE * chunks + OS_PAGE * pages + len(data) + self.changed_memory()


def _add_heap_delta(conductor: Conductor, canister_id: CanisterId, changed: ByteCount) -> None:
    conductor.book(canister_id).heap_delta += changed
    conductor.heap_delta += changed


# What calls cost beside what their transitions charge


def _pay_for_settings(conductor: Conductor, message: CallMessage, rule: str) -> None:
    """A change of settings that cost nothing when it came is paid for, if it was made and its canister can pay."""
    origin = message.origin
    if not isinstance(origin, FromUser) or origin.request_id not in conductor.pay_later:
        return
    conductor.pay_later.discard(origin.request_id)
    about = canister_about(message.method_name, message.argument)
    canister = None if about is None else conductor.instance.canisters.get(about)
    if rule != "update_settings" or canister is None or about is None:
        return
    instance = conductor.instance
    size = len(message.method_name) + len(message.argument)
    fee = ingress_fee(instance.profile, size, canister.subnet.subnet_size)
    if instance.liquid(canister) >= fee:
        pay(conductor, about, fee)


def _pay_for_chunks(conductor: Conductor, message: CallMessage) -> None:
    """Putting a module together takes an instruction for each byte that its chunks may hold."""
    arguments = decode_arguments(message.method_name, message.argument)
    assert isinstance(arguments, InstallChunkedCodeArguments)
    instructions = conductor.instance.profile.limits.chunk_size * len(arguments.chunk_hashes_list)
    _pay_for_work(conductor, message, instructions)


def _pay_for_work(conductor: Conductor, message: CallMessage, instructions: Instructions) -> None:
    about = canister_about(message.method_name, message.argument)
    canister = None if about is None else conductor.instance.canisters.get(about)
    if about is not None and canister is not None:
        conductor.notes.management_instructions += instructions
        pay(conductor, about, conductor.instance.ledger_of(canister).management(instructions))


# Installations


def _installed(
    conductor: Conductor, trial: Trial, before: _Before, rule: str, message_id: int, about: CanisterId
) -> bool:
    """An installation that was tried is kept, or goes on in more slices."""
    used = trial.instructions
    one_slice = conductor.instance.profile.rounds.install_slice_instructions
    if used <= one_slice:
        _keep_installation(conductor, before, about, used)
        conductor.notes.management_instructions += used
        return True
    trial.take_back()
    conductor.long_runs[about] = LongRun(rule, message_id, used, one_slice, is_installation=True)
    conductor.held.add(message_id)
    _paused(conductor, about, one_slice)
    return False


def _keep_installation(conductor: Conductor, before: _Before, about: CanisterId, used: Instructions) -> None:
    conductor.book(about).installed += used
    _add_heap_delta(conductor, about, before.changed_memory())
    conductor.follow()


def _paused(conductor: Conductor, about: CanisterId, used: Instructions) -> None:
    conductor.notes.slices.append((about, used))
    conductor.notes.management_instructions += used
    conductor.reached[Capacity.INSTALLATION_SLICE] += 1


def go_on_with_installation(conductor: Conductor) -> None:
    """The long installation goes on by a slice, or begins anew, if there is one."""
    about = installation_under_way(conductor)
    if about is None:
        return
    run = conductor.long_runs.pop(about)
    assert isinstance(run.subject, int)
    conductor.held.discard(run.subject)
    one_slice = conductor.instance.profile.rounds.install_slice_instructions
    trial, before = Trial(conductor), _Before(conductor, about)
    transitions.take_management_call(conductor.instance, run.subject)
    conductor.note_step(trial.next_message)
    if conductor.instance.recorder.last_step.label.rule != run.rule:
        # It cannot succeed any more; the call is rejected when its turn comes again.
        trial.take_back()
        conductor.put_back(run.subject)
    elif run.is_aborted:
        _installed(conductor, trial, before, run.rule, run.subject, about)
    elif run.total - run.done > one_slice:
        trial.take_back()
        run.done += one_slice
        conductor.long_runs[about] = run
        conductor.held.add(run.subject)
        _paused(conductor, about, one_slice)
    else:
        _keep_installation(conductor, before, about, trial.instructions)
        conductor.notes.management_instructions += run.total - run.done
