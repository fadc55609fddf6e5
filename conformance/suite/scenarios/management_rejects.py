"""How the management canister rejects what it is asked, method by method."""

from conformance.canisters.scripted import call, program, reply
from conformance.judging.patterns import fails, refuses, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ADMIN, ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import DONE, REJECTED, asking, manage, status_of
from conformance.suite.scenarios.preparations import controlled_by, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.identifiers import CanisterId, Principal
from spec.values.rejects import RejectReason

MODULE = b"\0asm\x01\0\0\0"
ABOUT_A_CANISTER = (
    "start_canister",
    "stop_canister",
    "delete_canister",
    "canister_status",
    "canister_metrics",
    "stored_chunks",
    "clear_chunk_store",
    "list_canister_snapshots",
)
"""Methods that take a canister id alone and are for controllers."""


def install(
    canister: CanisterId, mode: management.CanisterInstallMode | None = None
) -> management.InstallCodeArguments:
    """Installs the smallest module."""
    return management.InstallCodeArguments(mode or management.InstallMode(), canister, MODULE)


@scenario(
    "Every method rejects an argument that is no Candid, and one of another type",
    covers=("mgmt-general.candid-interface", "unspec.fn.candid-decoding"),
)
def undecodable(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    # Then
    for method_name in sorted(management.MANAGEMENT_METHODS):
        stage.expect(stage.call(caller, asking(method_name, b"no Candid")), REJECTED)
        if method_name not in ("raw_rand", "create_canister", "provisional_create_canister_with_cycles"):
            stage.expect(stage.call(caller, asking(method_name, b"DIDL\0\x01\x7e\x01")), REJECTED)


@scenario(
    "Every method about a canister rejects an id that no canister has",
    covers=("error.canister-not-found", "unspec.error.nonexistent-canister"),
)
def unknown_canister(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    asked: list[tuple[str, management.AnyArguments]] = [
        (each, management.CanisterIdArguments(NOBODY)) for each in (*ABOUT_A_CANISTER, "deposit_cycles")
    ]
    asked.append(("install_code", install(NOBODY)))
    asked.append(("uninstall_code", management.UninstallCodeArguments(NOBODY)))
    asked.append(("provisional_top_up_canister", management.ProvisionalTopUpArguments(NOBODY, 1)))
    # Then
    for method_name, arguments in asked:
        stage.expect(stage.call(caller, asking(method_name, arguments)), REJECTED)


@scenario(
    "Every method for controllers rejects canisters that are none",
    covers=("error.invalid-controller", "seed2.controllers-only"),
)
def no_controller(stage: Stage) -> None:
    # Given
    caller, canister = scripted(stage), scripted(stage)
    asked: list[tuple[str, management.AnyArguments]] = [
        (each, management.CanisterIdArguments(canister)) for each in ABOUT_A_CANISTER
    ]
    asked.append(("install_code", install(canister, management.ReinstallMode())))
    asked.append(("uninstall_code", management.UninstallCodeArguments(canister)))
    # Then
    for method_name, arguments in asked:
        stage.expect(stage.call(caller, asking(method_name, arguments)), REJECTED)
    stage.expect(stage.call(canister, program(reply(b"as before"))), replies_with(b"as before"))


@scenario(
    "Every method for controllers is refused to other users",
    covers=("rule.submit-call.mgmt-controller-methods", "seed2.controllers-only"),
)
def no_controlling_user(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    for method_name in ABOUT_A_CANISTER:
        stage.expect(stage.about(method_name, canister, EVE), refuses())
    stage.expect(manage(stage, canister, "install_code", install(canister), sender=EVE), refuses())


@scenario(
    "A request about one canister at the endpoint of another one is refused",
    covers=("def.effective-canister-id", "http.effective-id.update-management"),
)
def other_effective_id(stage: Stage) -> None:
    # Given
    canister, other = stage.create(), stage.create()
    # Then
    sent = stage.send_managed("stop_canister", management.CanisterIdArguments(canister), other)
    stage.expect(stage.answer(sent), refuses())


@scenario(
    "A deleted canister cannot be managed",
    covers=(
        "rule.mgmt.delete-canister",
        "error.canister-not-found",
        "prod.canister_manager.delete_stopped_canister_succeeds_once",
        "prod.canister_manager.deleting_already_deleted_canister",
        "prod.canister_manager.canister_status_of_deleted_canister",
    ),
)
def deleted(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    canister = stage.create(settings=controlled_by(ALICE, owner))
    stop(stage, canister)
    stage.expect(stage.about("delete_canister", canister), DONE)
    # Then
    stage.expect(stage.about("start_canister", canister), refuses())
    for method_name in ("start_canister", "delete_canister", "canister_status"):
        about = asking(method_name, management.CanisterIdArguments(canister))
        stage.expect(stage.call(owner, about), REJECTED)


@scenario(
    "The cycles of a deleted canister are gone",
    covers=("rule.mgmt.delete-canister", "mgmt.delete-canister"),
)
def deleted_cycles(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    canister = stage.create(settings=controlled_by(owner))
    one = management.CanisterIdArguments(canister)
    before = stage.balance(owner)
    # When
    stage.call(owner, asking("stop_canister", one))
    stage.expect(stage.call(owner, asking("delete_canister", one)), DONE)
    # Then
    stage.require(stage.balance(owner) < before, "nobody gets them")


@scenario("A canister cannot delete itself, since it runs", covers=("error.delete-self", "error.delete-not-stopped"))
def deleting_itself(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.manage(
        "update_settings",
        management.UpdateSettingsArguments(canister, controlled_by(ALICE, canister)),
        canister,
    )
    # Then
    answer = stage.call(canister, asking("delete_canister", management.CanisterIdArguments(canister)))
    stage.expect(answer, REJECTED)
    stage.expect(stage.call(canister, program(reply(b"still here"))), replies_with(b"still here"))


@scenario(
    "A canister that gave its call up and was stopped since cannot delete itself either",
    covers=("error.delete-self", "rule.mgmt.delete-canister", "rule.drop-expired-message"),
    needs=SCHEDULED,
)
def deleting_itself_late(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    own = management.UpdateSettingsArguments(canister, controlled_by(ALICE, canister))
    stage.expect(stage.manage("update_settings", own, canister), DONE)
    itself = management.encode_arguments(management.CanisterIdArguments(canister))
    deleting = call(b"", "delete_canister", itself, timeout_seconds=10, on_reject=program(reply(b"gave up")))
    sent = stage.send(canister, "update", program(deleting))
    taken = ["initiate_call", "call_context_creation", "message_execution", "call_expiry_of_message"]
    taken += ["callback_invocation", "message_execution", "respond_to_user", "call_context_removal"]
    # When
    for rule in taken:
        stage.require(stage.take(rule), "the call expires, and nothing of it is left")
    stopping = stage.send_managed("stop_canister", management.CanisterIdArguments(canister), canister)
    for rule in ("initiate_call", "stop_running_canister", "stop_completion"):
        stage.require(stage.take(rule), "the canister stops before its call is taken")
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(b"gave up"))
    stage.expect(stage.answer(stopping), DONE)
    stage.expect(stage.about("canister_status", canister), replies())


@scenario(
    "A canister without code can be stopped, started and uninstalled",
    covers=("rule.mgmt.uninstall-code", "mgmt.uninstall-code"),
)
def managing_empty(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # Then
    stage.expect(stage.about("stop_canister", canister), DONE)
    stage.expect(manage(stage, canister, "uninstall_code", management.UninstallCodeArguments(canister)), DONE)
    stage.expect(stage.about("start_canister", canister), DONE)
    stage.about("canister_status", canister)


@scenario(
    "A stopped canister can be reinstalled and upgraded, and stays stopped",
    covers=("rule.mgmt.install-code.effects", "rule.mgmt.upgrade.effects"),
)
def installing_while_stopped(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stop(stage, canister)
    # Then
    for mode in (management.UpgradeMode(), management.ReinstallMode()):
        stage.expect(manage(stage, canister, "install_code", install(canister, mode)), DONE)
    stage.require(status_of(stage, canister).status.name == "STOPPED", "it is stopped")


@scenario("An empty canister can be reinstalled", covers=("rule.mgmt.install-code.conditions", "mgmt.install-code"))
def reinstalling_empty(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # Then
    stage.expect(manage(stage, canister, "install_code", install(canister, management.ReinstallMode())), DONE)


@scenario(
    "A canister's claim about its own version is checked: a wrong one makes its execution fail",
    covers=(
        "mgmt-general.sender-canister-version",
        "def.validate-sender-canister-version",
    ),
)
def wrong_version(stage: Stage) -> None:
    # Given
    caller, canister = scripted(stage), stage.create()
    # When
    claiming = management.InstallCodeArguments(management.InstallMode(), canister, MODULE, b"", 12_345)
    answer = stage.call(caller, asking("install_code", claiming))
    # Then
    stage.expect(answer, fails(RejectReason.INVALID_ARGUMENT))
    stage.require(status_of(stage, canister).module_hash is None, "nothing is installed")


@scenario("The canister version that a user claims is ignored", covers=("mgmt-general.sender-canister-version",))
def version_of_user(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    claiming = management.InstallCodeArguments(management.InstallMode(), canister, MODULE, b"", 1)
    answer = manage(stage, canister, "install_code", claiming)
    # Then
    stage.expect(answer, DONE)


@scenario(
    "A canister that is created with an id of another canister or of none is not created",
    covers=("rule.mgmt.provisional-create", "def.is-system-assigned", "unspec.fn.is-system-assigned"),
)
def specified_ids(stage: Stage) -> None:
    # Given
    taken = stage.create()
    # Then
    for specified in (taken, Principal(b""), Principal(b"\x04"), ALICE):
        arguments = management.ProvisionalCreateArguments(MUCH, specified_id=specified)
        answer = stage.manage("provisional_create_canister_with_cycles", arguments)
        stage.expect(answer, fails(RejectReason.CANISTER_ID_TAKEN))


@scenario(
    "A canister that nobody says the cycles of gets a hundred trillion",
    covers=("unspec.const.default-provisional-cycles-balance",),
    needs=Needs(exact_costs=True),
)
def default_cycles(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=None)
    # Then
    stage.require(stage.balance(canister) == 10**14, "it has the default")


@scenario(
    "An admin of the subnet deletes canisters of others, but neither installs code nor changes settings",
    covers=("mgmt-general.subnet-admins", "rule.submit-call.mgmt-admin-methods"),
    subnet_admins=(ADMIN,),
)
def admin_limits(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(manage(stage, canister, "install_code", install(canister), sender=ADMIN), refuses())
    changing = management.UpdateSettingsArguments(canister, controlled_by(BOB))
    stage.expect(manage(stage, canister, "update_settings", changing, sender=ADMIN), refuses())
    stage.expect(stage.about("stop_canister", canister, ADMIN), DONE)
    stage.expect(stage.about("delete_canister", canister, ADMIN), DONE)


@scenario(
    "Cycles attached to a management method that needs none come back",
    covers=("mgmt-general.cycles-attached", "inv.prop-10-cycles-conserved"),
)
def attached_for_nothing(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    canister = stage.create(settings=controlled_by(owner))
    before = stage.balance(owner)
    # When
    answer = stage.call(owner, asking("stop_canister", management.CanisterIdArguments(canister), 10**13))
    # Then
    stage.expect(answer, DONE)
    stage.require(before - stage.balance(owner) < 10**12, "they came back")


@scenario(
    "There is no management method of another name", covers=("unspec.error.unknown-method", "mgmt-general.facade")
)
def unknown_method(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    # Then
    for method_name in ("", "raw_rand ", "Raw_rand", "fetch_canister_logs", "list_canisters"):
        stage.expect(stage.call(caller, asking(method_name, b"DIDL\0\0")), REJECTED)
