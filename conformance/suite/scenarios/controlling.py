"""Canisters that control canisters: creating them, their life, settings, chunks and code."""

from conformance.canisters.library import load
from conformance.canisters.scripted import program, reply
from conformance.judging.patterns import replies, replies_where, replies_with
from conformance.protocol.interface import Processing, Replied, Seen
from conformance.suite.people import ADMIN, ALICE, BOB, user
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.chunks import chunked, digest
from conformance.suite.scenarios.lifecycle import about, managing, status_is, stopping_canister
from conformance.suite.scenarios.management_calls import (
    DONE,
    REJECTED,
    asking,
    manage,
    result_of,
    results_in,
    status_of,
    update_settings,
)
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.scenarios.snapshots import TINY
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.canister_terms import SimpleStatus
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.quantities import Cycles

ENOUGH: Cycles = 2 * 10**12
"""More than creating a canister costs."""

EMPTY_RECORD: Blob = b"DIDL\x01\x6c\x00\x01\x00"
"""An argument that is a record without fields."""

SCRIPTED = load("scripted")
NUMBERS = (0, 1, 10)


def principals(number: int) -> List[Principal]:
    """So many principals."""
    return List(tuple(user(f"controller {index}") for index in range(number)))


def create(stage: Stage, parent: CanisterId, cycles: Cycles = ENOUGH, **settings: object) -> CanisterId:
    """A canister that another one created."""
    arguments = management.CreateCanisterArguments(management.SettingsArguments(**settings))  # type: ignore[arg-type]
    answer = stage.call(parent, asking("create_canister", arguments, cycles))
    return id_in(answer)


def id_in(answer: Seen) -> CanisterId:
    """The id of the canister that a call created."""
    if not isinstance(answer, Replied):
        raise ValueError("no canister was created")
    return management.decode_canister_id_result(answer.data)


def controllers_of(stage: Stage, asker: CanisterId, canister: CanisterId) -> list[Principal]:
    """The controllers of a canister, as any canister is told them."""
    info = result_of(
        "canister_info", stage.call(asker, asking("canister_info", management.CanisterInfoArguments(canister)))
    )
    return sorted(info.controllers)


@scenario(
    "A canister that controls another one sees it stopping, starts and stops it, and sees that",
    covers=(
        "rule.mgmt.start-canister.stopping",
        "rule.mgmt.canister-status.update",
        "prod.ee_tests.get_stopped_canister_status_from_another_canister",
        "prod.ee_tests.get_stopping_canister_status_from_another_canister",
        "prod.ee_tests.start_canister_from_another_canister",
        "prod.canister_manager.stop_a_stopped_canister_from_another_canister",
        "prod.canister_manager.get_canister_status_of_stopped_canister",
    ),
)
def status_for_canisters(stage: Stage) -> None:
    # Given
    canister, owner, _ = stopping_canister(stage)
    asked = managing("canister_status", about(canister))
    stage.expect(stage.call(owner, asked), status_is(SimpleStatus.STOPPING))
    # When
    stage.expect(stage.call(owner, managing("start_canister", about(canister))), DONE)
    stage.expect(stage.call(owner, asked), status_is(SimpleStatus.RUNNING))
    # Then
    for _ in range(2):
        stage.expect(stage.call(owner, managing("stop_canister", about(canister))), DONE)
        stage.expect(stage.call(owner, asked), status_is(SimpleStatus.STOPPED))


@scenario(
    "Requests to stop a canister with an open call are processed until the call is answered, and then replied to",
    covers=(
        "rule.mgmt.stop-canister.from-running",
        "rule.mgmt.stop-canister.while-stopping",
        "rule.mgmt.stop-canister.completion",
        "prod.ee_tests.stopping_a_running_canister_updates_ingress_history",
        "prod.ee_tests.stopping_a_stopping_canister_updates_ingress_history",
        "prod.canister_manager.stop_canister_blocks_until_stopped",
    ),
)
def stopping_takes_time(stage: Stage) -> None:
    # Given
    never_stops, helper, _ = stopping_canister(stage)
    canister = scripted(stage)
    everybody = List(tuple(sorted((ALICE, BOB, helper, canister))))
    stage.expect(update_settings(stage, never_stops, controllers=everybody), DONE)
    stage.send(canister, "update", managing("stop_canister", about(never_stops)))
    stage.settle()
    # When
    first = stage.send_managed("stop_canister", about(canister), canister)
    stage.settle()
    second = stage.send_managed("stop_canister", about(canister), canister)
    stage.settle()
    meanwhile = stage.answer(first), stage.answer(second)
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.STOPPING))
    stage.expect(stage.about("start_canister", never_stops), DONE)
    # Then
    stage.require(all(isinstance(each, Processing) for each in meanwhile), "both requests are processed")
    stage.expect(stage.answer(first), DONE)
    stage.expect(stage.answer(second), DONE)
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.STOPPED))


@scenario(
    "A canister creates another one with an argument that says nothing",
    covers=("mgmt.create-canister", "prod.execution_test.test_create_canister_with_empty_blob_args"),
)
def create_with_nothing(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    # When
    answer = stage.call(parent, asking("create_canister", EMPTY_RECORD, ENOUGH))
    # Then
    stage.require(controllers_of(stage, parent, id_in(answer)) == [parent], "the canister that created it controls it")


@scenario(
    "A canister creates canisters with none to ten controllers, and with no more, also if they are the same",
    covers=(
        "setting.controllers",
        "inv.controllers-bounded",
        "prod.canister_manager.test_create_canister_with_controllers",
        "prod.execution_test.test_create_canister_with_different_controllers_amount",
    ),
)
def controllers_at_creation(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    # When
    made = {number: create(stage, parent, controllers=principals(number)) for number in NUMBERS}
    repeated = create(stage, parent, controllers=List((ALICE,) * 10))
    too_many = [List((ALICE,) * 11), List((ALICE,) * 15), principals(11)]
    refused = [
        management.CreateCanisterArguments(management.SettingsArguments(controllers=given)) for given in too_many
    ]
    # Then
    for number, canister in made.items():
        stage.require(controllers_of(stage, parent, canister) == sorted(principals(number)), "it has those given")
    stage.require(controllers_of(stage, parent, repeated) == [ALICE], "each counts once")
    for arguments in refused:
        stage.expect(stage.call(parent, asking("create_canister", arguments, ENOUGH)), REJECTED)


@scenario(
    "The controllers of a canister become none, one, ten, or itself alone, and each is listed once",
    covers=(
        "setting.controllers",
        "rule.mgmt.update-settings.effects",
        "prod.canister_manager.test_set_controllers_via_update_settings",
        "prod.canister_manager.test_set_controllers_to_self",
        "prod.canister_manager.duplicate_controllers",
    ),
)
def controllers_given(stage: Stage) -> None:
    # Given
    itself = scripted(stage)
    for number in NUMBERS:
        canister = stage.create()
        stage.expect(update_settings(stage, canister, controllers=principals(number)), DONE)
        stage.require(controllers_of(stage, itself, canister) == sorted(principals(number)), "it has those given")
    # When
    stage.expect(update_settings(stage, itself, controllers=List.of(ALICE, BOB, ALICE)), DONE)
    twice = sorted(status_of(stage, itself).settings.controllers)
    stage.expect(update_settings(stage, itself, controllers=List.of(itself)), DONE)
    # Then
    stage.require(twice == sorted((ALICE, BOB)), "each is listed once")
    own_status = stage.call(itself, asking("canister_status", management.CanisterIdArguments(itself)))
    stage.expect(
        own_status,
        replies_where(
            "that says that it controls itself",
            lambda data: list(management.decode_canister_status(data).settings.controllers) == [itself],
        ),
    )


@scenario(
    "A canister creates another one and installs code there",
    covers=(
        "mgmt.provisional-create-canister-with-cycles",
        "mgmt.install-code",
        "prod.canister_manager.create_and_install_via_inter_canister_call",
    ),
)
def create_and_install(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    creating = management.ProvisionalCreateArguments(amount=MUCH)
    # When
    created = stage.call(parent, asking("provisional_create_canister_with_cycles", creating))
    child = id_in(created)
    arguments = management.InstallCodeArguments(management.InstallMode(), child, SCRIPTED)
    stage.expect(stage.call(parent, asking("install_code", arguments)), DONE)
    # Then
    stage.expect(stage.call(child, program(reply(b"runs"))), replies_with(b"runs"))


@scenario(
    "Computing power, memory and a limit of reserved cycles that are asked for at creation are there, or the default",
    covers=(
        "rule.mgmt.create-canister.defaults",
        "setting.reserved-cycles-limit",
        "prod.canister_manager.create_canister_sets_correct_allocations",
        "prod.canister_manager.create_canister_can_set_reserved_cycles_limit",
        "prod.canister_manager.create_canister_sets_default_reserved_cycles_limit",
        "prod.canister_manager.update_settings_can_set_reserved_cycles_limit",
        "prod.canister_manager.canister_status_contains_reserved_cycles_limit",
    ),
)
def resources_at_creation(stage: Stage) -> None:
    # Given
    parent, mine = scripted(stage, cycles=10**18), List.of(ALICE)
    # When
    large = create(stage, parent, 10**17, controllers=mine, compute_allocation=50, memory_allocation=2**30)
    limited = create(stage, parent, controllers=mine, reserved_cycles_limit=1)
    plain = create(stage, parent, controllers=mine)
    by_default = status_of(stage, plain).settings.reserved_cycles_limit
    stage.expect(update_settings(stage, plain, reserved_cycles_limit=42), DONE)
    # Then
    settings = status_of(stage, large).settings
    stage.require((settings.compute_allocation, settings.memory_allocation) == (50, 2**30), "it has what it asked for")
    stage.require(status_of(stage, limited).settings.reserved_cycles_limit == 1, "the limit is 1")
    changed = status_of(stage, plain).settings.reserved_cycles_limit
    stage.require((by_default, changed) == (5 * 10**12, 42), "the default is five trillion, and can be changed")
    stage.expect(update_settings(stage, plain, reserved_cycles_limit=1), DONE)
    stage.require(status_of(stage, plain).settings.reserved_cycles_limit == 1, "it can be lowered to 1")


@scenario(
    "A canister puts chunks into the store of one that it controls, and installs them into another one",
    covers=(
        "mgmt.upload-chunk",
        "mgmt.install-chunked-code",
        "prod.canister_manager.upload_chunk_works_from_controller",
        "prod.install_code.install_chunked_works_from_controller_of_store",
    ),
)
def chunks_of_others(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    store, target = (stage.create(settings=controlled_by(owner)) for _ in range(2))
    # When
    uploaded = stage.call(owner, asking("upload_chunk", management.UploadChunkArguments(store, SCRIPTED)))
    installed = stage.call(owner, asking("install_chunked_code", chunked(target, SCRIPTED, store=store)))
    # Then
    stage.expect(uploaded, results_in("upload_chunk", digest(SCRIPTED)))
    stage.expect(installed, DONE)
    stage.expect(stage.call(target, program(reply(b"runs"))), replies_with(b"runs"))


@scenario(
    "On a subnet with admins, controllers who are none manage their canisters all the same",
    covers=(
        "mgmt-general.subnet-admins",
        "prod.canister_manager.non_subnet_admin_cannot_perform_subnet_admin_actions_on_canister_but_controllers_can",
    ),
    subnet_admins=(ADMIN,),
)
def controllers_beside_admins(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.about("canister_status", canister), status_is(SimpleStatus.RUNNING))
    stage.expect(stage.about("canister_metrics", canister), replies())
    stage.expect(stage.about("stop_canister", canister), DONE)
    stage.expect(stage.about("start_canister", canister), DONE)
    stage.expect(manage(stage, canister, "uninstall_code", management.UninstallCodeArguments(canister)), DONE)
    stage.expect(stage.about("stop_canister", canister), DONE)
    stage.expect(stage.about("delete_canister", canister), DONE)


@scenario(
    "Ten canisters are created, each with an id of its own, and get code",
    covers=("inv.id-not-reused", "prod.canister_manager.test_can_create_10_canisters"),
)
def ten_canisters(stage: Stage) -> None:
    # When
    canisters = {stage.create_with_code(TINY) for _ in range(10)}
    # Then
    stage.require(len(canisters) == 10, "there are ten ids")
