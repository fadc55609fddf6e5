"""Creating, stopping, starting, deleting canisters; their cycles and their status."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    append_to_slot,
    bytes_of_u32,
    call,
    concat,
    program,
    reply,
    slot,
)
from conformance.judging.patterns import Pattern, fails, is_unanswered, refuses, rejects, replies_where, replies_with
from conformance.protocol.interface import Needs, Replied
from conformance.suite.acting import Sent
from conformance.suite.people import ADMIN, ALICE, BOB, EVE, user
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import CANISTER_ERROR, is_left, told_a_reject
from conformance.suite.scenarios.preparations import controlled_by, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.canister_terms import Public, SimpleStatus
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId
from spec.values.rejects import RejectCode, RejectReason

DONE = replies_with(management.EMPTY_RESULT)


def about(canister: CanisterId) -> Blob:
    """The argument of methods that need a canister id only."""
    return management.encode_arguments(management.CanisterIdArguments(canister))


def managing(method_name: str, argument: Blob, cycles: int = 0) -> Blob:
    """A program that calls the management canister and relays its reply, or replies with the reject code."""
    return program(call(b"", method_name, argument, cycles=cycles, on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))


def status_is(status: SimpleStatus) -> Pattern:
    """The reply of `canister_status` says that the canister is in this state."""
    return replies_where(
        f"with status {status.name.lower()}", lambda data: management.decode_canister_status(data).status == status
    )


@scenario(
    "A new canister has the cycles asked for, default settings, no code, and its creator as controller",
    covers=(
        "rule.mgmt.provisional-create",
        "rule.mgmt.create-canister.defaults",
        "def.canister-status-record",
        "prod.canister_manager.can_get_canister_balance",
        "prod.canister_manager.canister_status_default_controller",
        "prod.canister_manager.get_canister_status_of_running_canister",
    ),
)
def new_canister(stage: Stage) -> None:
    # When
    canister = stage.create(cycles=12_345_678)
    # Then
    answer = stage.about("canister_status", canister)
    stage.expect(
        answer,
        replies_where(
            "that it runs with 12345678 cycles, alice as controller, and no module",
            lambda data: (
                is_left(stage, (status := management.decode_canister_status(data)).cycles, 12_345_678)
                and status.status is SimpleStatus.RUNNING
                and status.settings.controllers == List.of(ALICE)
                and status.module_hash is None
            ),
        ),
    )


@scenario(
    "A canister can be created with a given id, once",
    covers=(
        "rule.mgmt.provisional-create",
        "inv.id-not-reused",
        "def.is-system-assigned",
        "prod.ee_tests.can_create_canister_with_specified_id",
        "prod.canister_manager.create_canister_with_valid_specified_id_creator_in_whitelist",
    ),
)
def specified_id(stage: Stage) -> None:
    # Given
    wanted = management.ProvisionalCreateArguments(amount=MUCH, specified_id=NOBODY)
    taken = management.ProvisionalCreateArguments(amount=MUCH, specified_id=user("nobody"))
    # When
    first = stage.manage("provisional_create_canister_with_cycles", wanted)
    second = stage.manage("provisional_create_canister_with_cycles", wanted)
    no_canister_id = stage.manage("provisional_create_canister_with_cycles", taken)
    # Then
    stage.expect(first, replies_with(management.encode_canister_id_result(NOBODY)))
    stage.expect(second, fails(RejectReason.CANISTER_ID_TAKEN))
    stage.expect(no_canister_id, fails(RejectReason.CANISTER_ID_TAKEN))


@scenario(
    "A canister creates another one, which gets the cycles sent less the fee",
    covers=(
        "rule.mgmt.create-canister.conditions",
        "rule.mgmt.create-canister.effects",
        "mgmt.create-canister",
        "prod.canister_manager.can_create_canister_with_extra_cycles",
    ),
)
def canister_creates(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    settings = management.CreateCanisterArguments(controlled_by(ALICE, parent))
    # When
    answer = stage.call(
        parent, managing("create_canister", management.encode_arguments(settings), cycles=2_000_000_000_000)
    )
    # Then
    stage.expect(answer, replies_where("with an id", lambda data: bool(management.decode_canister_id_result(data))))
    if isinstance(answer, Replied):
        child = management.decode_canister_id_result(answer.data)
        stage.require(0 < stage.balance(child) < 2_000_000_000_000, "the child has the cycles less a fee")
    stage.balance(parent)


@scenario(
    "Creating a canister without the fee is rejected, and the cycles come back",
    covers=(
        "rule.mgmt.create-canister.conditions",
        "error.create-canister-not-enough-cycles",
        "prod.canister_manager.create_canister_fails_if_not_enough_cycles_are_sent_with_the_request",
    ),
    needs=Needs(exact_costs=True),
)
def fee_is_missing(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    arguments = management.encode_arguments(management.CreateCanisterArguments())
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    # When
    answer = stage.call(
        parent, program(call(b"", "create_canister", arguments, cycles=499_999_999_999, on_reject=tell))
    )
    # Then
    stage.expect(answer, told_a_reject((499_999_999_999).to_bytes(16, "little")))
    stage.balance(parent)


@scenario(
    "A user who is no admin cannot create canisters; an admin of the subnet can, without the fee being attached",
    covers=("rule.submit-call.mgmt-create-canister", "mgmt-general.subnet-admins"),
    subnet_admins=(ADMIN,),
)
def admins_create(stage: Stage) -> None:
    # When
    arguments = management.CreateCanisterArguments()
    of_alice = stage.send_managed("create_canister", arguments)
    # Then
    stage.expect(stage.answer(of_alice), refuses())


@scenario(
    "A stopped canister has status stopped, and runs again when it is started",
    covers=(
        "rule.mgmt.stop-canister.from-running",
        "rule.mgmt.stop-canister.completion",
        "rule.mgmt.start-canister.running-or-stopped",
        "rule.mgmt.canister-status.update",
        "prod.canister_manager.start_a_stopped_canister_succeeds",
    ),
)
def stop_and_start(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.expect(stage.about("stop_canister", canister), DONE)
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.STOPPED))
    stage.expect(stage.about("start_canister", canister), DONE)
    # Then
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.RUNNING))
    stage.expect(stage.call(canister, program(reply(b"back"))), replies_with(b"back"))


@scenario(
    "Stopping a stopped canister and starting a running one succeed at once",
    covers=(
        "rule.mgmt.stop-canister.when-stopped",
        "rule.mgmt.start-canister.running-or-stopped",
        "prod.ee_tests.stopping_an_already_stopped_canister_succeeds",
        "prod.canister_manager.starting_an_already_running_canister_keeps_it_running",
        "prod.canister_manager.stopping_an_already_stopped_canister_keeps_it_stopped",
    ),
)
def stop_and_start_again(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.about("start_canister", canister), DONE)
    stage.expect(stage.about("stop_canister", canister), DONE)
    stage.expect(stage.about("stop_canister", canister), DONE)


def stopping_canister(stage: Stage) -> tuple[CanisterId, CanisterId, Sent]:
    """
    A canister that cannot stop, one that waits for that, and the request that started all this.

    The first calls the second, which stops the first and answers only after that.
    """
    helper = scripted(stage)
    canister = scripted(stage, settings=controlled_by(ALICE, BOB, helper))
    waiting = managing("stop_canister", about(canister), cycles=70)
    call_of_helper = program(
        append_to_slot(0, b"called"), call(helper, "update", waiting, on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE)
    )
    sent = stage.send(canister, "update", call_of_helper)
    stage.settle()
    return canister, helper, sent


@scenario(
    "A canister with open calls is stopping until they are answered: it rejects calls, and its callers wait",
    covers=(
        "rule.mgmt.stop-canister.from-running",
        "rule.reject-call.stopped-or-stopping",
        "inv.stopping-processes-responses",
        "prod.ee_tests.stopping_canister_rejects_requests",
        "prod.canister_manager.get_canister_status_of_stopping_canister",
    ),
)
def stopping(stage: Stage) -> None:
    # Given
    canister, _, sent = stopping_canister(stage)
    other = scripted(stage)
    # Then
    stage.expect(stage.answer(sent), is_unanswered())
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.STOPPING))
    by_canister = stage.call(other, program(call(canister, "update", program(reply()), on_reject=REPLY_REJECT_CODE)))
    stage.expect(by_canister, CANISTER_ERROR)
    stage.expect(stage.answer(stage.send(canister, "update", program(reply()))), refuses())
    stage.expect(stage.query(canister, program(reply())), rejects(RejectCode.CANISTER_ERROR))


@scenario(
    "Starting a stopping canister rejects everybody who waits for it to stop",
    covers=(
        "rule.mgmt.start-canister.stopping",
        "rule.mgmt.stop-canister.while-stopping",
        "prod.canister_manager.stopping_canister_can_be_restarted",
    ),
)
def start_while_stopping(stage: Stage) -> None:
    # Given
    canister, helper, sent = stopping_canister(stage)
    also_waiting = stage.send_managed("stop_canister", about(canister), canister, BOB)
    stage.settle()
    stage.expect(stage.answer(also_waiting), is_unanswered())
    # When
    stage.expect(stage.about("start_canister", canister), DONE)
    # Then
    stage.expect(stage.answer(sent), CANISTER_ERROR)
    stage.expect(stage.answer(also_waiting), rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_RESTARTED))
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"called"))
    stage.balance(helper)


@scenario(
    "Uninstalling answers the open calls of a canister; the responses that come later run no code",
    covers=("rule.mgmt.uninstall-code", "rule.callback-invocation.deleted-context", "inv.deleted-context-not-awaiting"),
)
def uninstall_while_stopping(stage: Stage) -> None:
    # Given
    canister, helper, sent = stopping_canister(stage)
    # When
    stage.expect(stage.manage("uninstall_code", management.UninstallCodeArguments(canister), canister), DONE)
    # Then
    stage.expect(stage.answer(sent), rejects(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED))
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.STOPPING))
    stage.expect(stage.about("start_canister", canister), DONE)
    stage.balance(canister)
    stage.balance(helper)


@scenario(
    "Only a stopped canister can be deleted; its id is never used again",
    covers=("rule.mgmt.delete-canister", "error.delete-not-stopped", "inv.id-not-reused"),
)
def delete(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    running = stage.about("delete_canister", canister)
    stop(stage, canister)
    stage.expect(stage.about("delete_canister", canister), DONE)
    # Then
    stage.expect(running, fails(RejectReason.CANISTER_NOT_STOPPED))
    stage.expect(stage.answer(stage.send(canister, "update", program(reply()))), refuses())
    again = management.ProvisionalCreateArguments(amount=MUCH, specified_id=canister)
    stage.expect(
        stage.manage("provisional_create_canister_with_cycles", again),
        fails(RejectReason.CANISTER_ID_TAKEN),
    )
    stage.require(stage.create() != canister, "a new canister has another id")


@scenario(
    "A canister deposits cycles into another one",
    covers=("rule.mgmt.deposit-cycles", "mgmt.deposit-cycles", "seed1.top-up"),
)
def deposit(stage: Stage) -> None:
    # Given
    giver, taker = scripted(stage), stage.create(cycles=1_000_000)
    # When
    answer = stage.call(giver, managing("deposit_cycles", about(taker), cycles=5_000_000))
    # Then
    stage.expect(answer, DONE)
    stage.require(is_left(stage, stage.balance(taker), 6_000_000), "the cycles arrived")
    stage.balance(giver)


@scenario(
    "A deposit into a canister that does not exist is rejected, and the cycles come back",
    covers=(
        "rule.mgmt.deposit-cycles",
        "error.canister-not-found",
        "prod.ee_tests.deposit_cycles_to_non_existing_canister_fails",
    ),
)
def deposit_into_nothing(stage: Stage) -> None:
    # Given
    giver, amount = scripted(stage, cycles=2**63), 2**61 + 2**60
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    # When
    answer = stage.call(giver, program(call(b"", "deposit_cycles", about(NOBODY), cycles=amount, on_reject=tell)))
    # Then
    stage.expect(answer, told_a_reject(amount.to_bytes(16, "little")))


@scenario(
    "A user tops up a canister out of nothing",
    covers=(
        "rule.mgmt.provisional-top-up",
        "mgmt.provisional-top-up-canister",
        "prod.canister_manager.add_cycles_sender_in_whitelist",
    ),
)
def top_up(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=1_000_000)
    # When
    arguments = management.ProvisionalTopUpArguments(canister, 234)
    stage.expect(stage.manage("provisional_top_up_canister", arguments, canister), DONE)
    # Then
    stage.require(is_left(stage, stage.balance(canister), 1_000_234), "the cycles arrived")


@scenario(
    "Calls of canisters to management methods are checked: method, argument, canister and controller",
    covers=("mgmt-general.candid-interface", "error.invalid-controller", "error.canister-not-found"),
)
def management_checks(stage: Stage) -> None:
    # Given
    caller, foreign = scripted(stage), scripted(stage)
    # Then
    stage.expect(stage.call(caller, managing("no_such_method", about(foreign))), told_a_reject())
    stage.expect(stage.call(caller, managing("start_canister", b"no Candid")), told_a_reject())
    stage.expect(stage.call(caller, managing("start_canister", about(NOBODY))), told_a_reject())
    stage.expect(stage.call(caller, managing("start_canister", about(foreign))), told_a_reject())
    stage.expect(stage.call(caller, managing("stop_canister", about(foreign), 10)), told_a_reject())
    stage.expect(stage.call(caller, managing("canister_status", about(foreign))), told_a_reject())
    stage.balance(caller)


@scenario(
    "A canister may ask for its own status",
    covers=("rule.mgmt.canister-status.update", "mgmt.canister-status"),
)
def own_status(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.call(canister, managing("canister_status", about(canister))), status_is(SimpleStatus.RUNNING))


@scenario(
    "The status is for controllers, unless its visibility is public",
    covers=("setting.status-visibility", "rule.submit-call.mgmt-canister-status", "mgmt-general.visibility"),
)
def status_visibility(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    hidden = stage.send_managed("canister_status", about(canister), canister, EVE)
    settings = management.SettingsArguments(status_visibility=Public())
    stage.expect(
        stage.manage("update_settings", management.UpdateSettingsArguments(canister, settings), canister), DONE
    )
    # Then
    stage.expect(stage.answer(hidden), refuses())
    stage.expect(stage.about("canister_status", canister, EVE), status_is(SimpleStatus.RUNNING))


@scenario(
    "Controllers can be replaced, and the former ones lose their rights",
    covers=("setting.controllers", "rule.mgmt.update-settings.effects", "seed2.controllers-stored"),
)
def controllers_change(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    arguments = management.UpdateSettingsArguments(canister, controlled_by(BOB))
    # When
    stage.expect(stage.manage("update_settings", arguments, canister), DONE)
    # Then
    stage.expect(stage.answer(stage.send_managed("stop_canister", about(canister), canister)), refuses())
    stage.expect(stage.about("stop_canister", canister, BOB), DONE)


@scenario(
    "Settings beyond their limits are rejected, and nothing changes",
    covers=("rule.mgmt.update-settings.conditions", "error.invalid-settings"),
)
def bad_settings(stage: Stage) -> None:
    # Given
    canister = stage.create()
    too_many = List(tuple(sorted(user(f"controller {number}") for number in range(11))))
    bad = (
        management.SettingsArguments(compute_allocation=101),
        management.SettingsArguments(freezing_threshold=2**64),
        management.SettingsArguments(controllers=too_many),
    )
    # When
    answers = [
        stage.manage("update_settings", management.UpdateSettingsArguments(canister, settings), canister)
        for settings in bad
    ]
    # Then
    for answer in answers:
        stage.expect(answer, fails() | refuses())
    stage.about("canister_status", canister)


@scenario(
    "A subnet admin stops, starts and uninstalls canisters of others",
    covers=("mgmt-general.subnet-admins", "rule.submit-call.mgmt-admin-methods"),
    subnet_admins=(ADMIN,),
)
def admins_manage(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.about("stop_canister", canister, ADMIN), DONE)
    stage.expect(stage.about("canister_status", canister, ADMIN), status_is(SimpleStatus.STOPPED))
    stage.expect(stage.about("start_canister", canister, ADMIN), DONE)
    stage.expect(stage.answer(stage.send_managed("stop_canister", about(canister), canister, EVE)), refuses())
    stage.require(canister != MANAGEMENT_CANISTER, "a canister was created")
