"""What canisters are told about canisters, nodes and the subnet."""

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import bytes_of_u64, call, concat, counter, program, reply, set_counter
from conformance.judging.patterns import fails, refuses, replies, replies_where
from conformance.protocol.interface import Refused, Replied, Values
from conformance.suite.people import ADMIN, ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import (
    REJECTED,
    asking,
    manage,
    result_of,
    results_in,
    update_settings,
)
from conformance.suite.scenarios.outside import under_way
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.changes import (
    ChangeFromCanister,
    ChangeFromUser,
    CodeDeployment,
    CodeUninstall,
    ControllersChange,
    Creation,
)
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.rejects import RejectReason

CanisterInfo = management.CanisterInfoArguments

MINE = controlled_by(ALICE)
"""The settings of a canister that Alice controls."""


@scenario(
    "Any canister may ask for the controllers, module hash and changes of another one",
    covers=("rule.mgmt.canister-info", "mgmt.canister-info", "def.change-origin"),
)
def changes(stage: Stage) -> None:
    # Given
    asker, canister = scripted(stage), scripted(stage)
    update_settings(stage, canister, controllers=List(tuple(sorted((ALICE, BOB)))))
    stage.about("uninstall_code", canister)
    # When
    info = result_of("canister_info", stage.call(asker, asking("canister_info", CanisterInfo(canister, 10))))
    # Then
    kinds = [type(change.details) for change in info.recent_changes]
    stage.require(kinds == [Creation, CodeDeployment, ControllersChange, CodeUninstall], "all changes are listed")
    stage.require(all(change.origin == ChangeFromUser(ALICE) for change in info.recent_changes), "alice made them")
    stage.require(sorted(info.controllers) == sorted((ALICE, BOB)), "the controllers are told")


@scenario(
    "Only the newest changes are told when fewer are asked for, and none when no number is given",
    covers=("rule.mgmt.canister-info", "inv.history-total"),
)
def some_changes(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    one = result_of("canister_info", stage.call(canister, asking("canister_info", CanisterInfo(canister, 1))))
    none = result_of("canister_info", stage.call(canister, asking("canister_info", CanisterInfo(canister))))
    # Then
    stage.require([type(each.details) for each in one.recent_changes] == [CodeDeployment], "the last change is told")
    stage.require((none.total_num_changes, len(none.recent_changes)) == (2, 0), "their number is told anyway")


def bytes_of_version(version: int) -> bytes:
    """A version as Candid has it."""
    return version.to_bytes(8, "little")


@scenario(
    "A change that a canister made is told with the version which that canister claimed",
    covers=("def.change-origin", "mgmt-general.sender-canister-version", "def.validate-sender-canister-version"),
)
def change_by_canister(stage: Stage) -> None:
    # Given
    maker = scripted(stage)
    canister = stage.create(settings=controlled_by(ALICE, maker))

    # When
    too_high = 2**63
    wrong = stage.call(maker, asking("uninstall_code", management.UninstallCodeArguments(canister, too_high)))
    encoded = management.encode_arguments(management.UninstallCodeArguments(canister, too_high))
    before, _, after = encoded.partition(bytes_of_version(too_high))
    claimed = concat(before, bytes_of_u64(counter(1)), after)
    telling = program(reply(bytes_of_u64(counter(1))))
    removing = call(MANAGEMENT_CANISTER, "uninstall_code", claimed, on_reply=telling)
    right = stage.call(maker, program(set_counter(1, ic0.canister_version()), removing))
    version = int.from_bytes(right.data, "little") if isinstance(right, Replied) else 0
    info = result_of("canister_info", stage.call(maker, asking("canister_info", CanisterInfo(canister, 1))))
    # Then
    stage.expect(wrong, fails(RejectReason.INVALID_ARGUMENT))
    stage.expect(right, replies())
    stage.require(
        [each.origin for each in info.recent_changes] == [ChangeFromCanister(maker, version)], "the version is told"
    )


@scenario("There is no information on a canister that does not exist", covers=("rule.mgmt.canister-info",))
def info_on_nobody(stage: Stage) -> None:
    # Given
    asker = scripted(stage)
    # Then
    stage.expect(stage.call(asker, asking("canister_info", CanisterInfo(NOBODY))), REJECTED)


@scenario(
    "A canister without controllers shows none, and nobody can change it",
    covers=("seed2.no-controllers-immutable", "mgmt.canister-info"),
)
def immutable(stage: Stage) -> None:
    # Given
    asker, canister = scripted(stage), scripted(stage)
    update_settings(stage, canister, controllers=List())
    # When
    info = result_of("canister_info", stage.call(asker, asking("canister_info", CanisterInfo(canister))))
    # Then
    stage.require(info.controllers.is_empty(), "there are no controllers")
    stage.expect(stage.about("stop_canister", canister), refuses())
    for mode in (management.ReinstallMode(), management.UpgradeMode()):
        arguments = management.InstallCodeArguments(mode, canister, load("scripted"))
        stage.expect(stage.manage("install_code", arguments, canister), refuses())
        stage.expect(stage.call(asker, asking("install_code", arguments)), REJECTED)
    stage.expect(stage.manage("uninstall_code", management.UninstallCodeArguments(canister), canister), refuses())
    stage.expect(
        stage.manage("update_settings", management.UpdateSettingsArguments(canister, MINE), canister), refuses()
    )
    after = result_of("canister_info", stage.call(asker, asking("canister_info", CanisterInfo(canister))))
    stage.require(after == info, "nothing has changed")


@scenario(
    "Public metadata are for every canister, private ones for controllers",
    covers=(
        "rule.mgmt.canister-metadata",
        "mgmt.canister-metadata",
        "module.custom-section-prefix",
        "prod.ee_tests.get_canister_metadata_private_section_succeeds_for_controller",
        "prod.execution_test.get_canister_metadata",
    ),
)
def metadata(stage: Stage) -> None:
    # Given
    module = load("scripted") + section(b"icp:public open", b"for all") + section(b"icp:private own", b"for few")
    asker, owner = scripted(stage), scripted(stage)
    canister = stage.create_with_code(module, settings=controlled_by(ALICE, owner))

    def metadata_of(name: str) -> management.CanisterMetadataArguments:
        return management.CanisterMetadataArguments(canister, name)

    # Then
    stage.expect(
        stage.call(asker, asking("canister_metadata", metadata_of("open"))), results_in("canister_metadata", b"for all")
    )
    stage.expect(
        stage.call(owner, asking("canister_metadata", metadata_of("own"))), results_in("canister_metadata", b"for few")
    )
    stage.expect(stage.call(asker, asking("canister_metadata", metadata_of("own"))), REJECTED)


def section(name: bytes, content: bytes) -> bytes:
    """A custom section of a module."""
    body = bytes([len(name)]) + name + content
    return b"\x00" + bytes([len(body)]) + body


@scenario(
    "In the certified state everybody reads public metadata, and controllers alone read private ones",
    covers=("rule.read-state.may-read-canister", "module.custom-section-prefix"),
)
def metadata_in_the_state(stage: Stage) -> None:
    # Given
    module = load("scripted") + section(b"icp:public open", b"for all") + section(b"icp:private own", b"for few")
    canister = stage.create_with_code(module)
    public, private, none = ((b"canister", canister, b"metadata", name) for name in (b"open", b"own", b"none"))
    # Then
    for sender in (ALICE, EVE):
        for_all = stage.read(canister, (public, none), sender=sender)
        stage.require(for_all == Values((b"for all", None)), "everybody reads what is public")
    stage.require(stage.read(canister, (private,)) == Values((b"for few",)), "a controller reads what is private")
    refused = stage.read(canister, (public, private), sender=EVE)
    stage.require(isinstance(refused, Refused), "nobody else reads what is private")


@scenario("There are no metadata of a name that no section has", covers=("error.metadata-section-not-found",))
def unknown_metadata(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    arguments = management.CanisterMetadataArguments(canister, "nothing")
    stage.expect(stage.call(canister, asking("canister_metadata", arguments)), REJECTED)


@scenario(
    "A canister without code has no metadata",
    covers=(
        "error.metadata-no-module",
        "prod.ee_tests.get_canister_metadata_no_execution_state_fails",
    ),
)
def metadata_of_empty(stage: Stage) -> None:
    # Given
    asker, canister = scripted(stage), stage.create()
    # Then
    arguments = management.CanisterMetadataArguments(canister, "candid:service")
    stage.expect(stage.call(asker, asking("canister_metadata", arguments)), REJECTED)


@scenario("A canister that does not exist has no metadata", covers=("rule.mgmt.canister-metadata",))
def metadata_of_nobody(stage: Stage) -> None:
    # Given
    asker = scripted(stage)
    # Then
    stage.expect(
        stage.call(asker, asking("canister_metadata", management.CanisterMetadataArguments(NOBODY, "x"))), REJECTED
    )


@scenario(
    "Controllers and admins of the subnet are told what a canister used, and nobody else is",
    covers=("rule.mgmt.canister-metrics.update", "mgmt.canister-metrics", "unspec.value.canister-metrics"),
    subnet_admins=(ADMIN,),
)
def metrics(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.about("canister_metrics", canister), replies())
    stage.expect(stage.about("canister_metrics", canister, ADMIN), replies())
    stage.expect(stage.about("canister_metrics", canister, EVE), refuses())


@scenario(
    "A canister that controls another one is told its metrics, one that does not is rejected",
    covers=("rule.mgmt.canister-metrics.update", "error.invalid-controller"),
)
def metrics_for_canisters(stage: Stage) -> None:
    # Given
    owner, other = scripted(stage), scripted(stage)
    canister = stage.create(settings=controlled_by(owner))
    asked = asking("canister_metrics", management.CanisterIdArguments(canister))
    # Then
    stage.expect(
        stage.call(owner, asked),
        replies_where("with metrics", lambda data: bool(management.decode_result("canister_metrics", data))),
    )
    stage.expect(stage.call(other, asked), REJECTED)
    stage.expect(stage.call(other, asking("canister_metrics", management.CanisterIdArguments(NOBODY))), REJECTED)


SUBNET = Principal(b"\x01")
DAY = 86_400 * 10**9


@scenario(
    "The metrics of nodes are one sample a day from the time asked for on",
    covers=(
        "rule.mgmt.node-metrics-history",
        "mgmt.node-metrics-history",
        "unspec.value.node-metrics",
        "prod.canister_manager.node_metrics_history_update_succeeds",
    ),
    needs=SCHEDULED,
)
def node_metrics(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    arguments = management.NodeMetricsHistoryArguments(SUBNET, 10 * DAY)
    sent = under_way(stage, caller, "node_metrics_history", arguments, 0)
    nodes = List.of(management.NodeMetrics(Principal(b"\x02"), 100, 1))
    samples = List.of(*(management.NodeMetricsSample(day * DAY, nodes) for day in (10, 11, 13)))
    # When
    early = stage.take("node_metrics_history", samples=List.of(management.NodeMetricsSample(9 * DAY, nodes)))
    backwards = stage.take("node_metrics_history", samples=List.of(*samples, *samples))
    of_one_day = (management.NodeMetricsSample(10 * DAY + nanoseconds, nodes) for nanoseconds in range(2))
    twice = stage.take("node_metrics_history", samples=List.of(*of_one_day))
    stage.take("node_metrics_history", samples=samples)
    stage.settle()
    # Then
    stage.require(not early and not backwards and not twice, "only samples that fit are given")
    stage.expect(stage.answer(sent), results_in("node_metrics_history", samples))


@scenario(
    "A canister is told what its subnet runs",
    covers=("rule.mgmt.subnet-info", "mgmt.subnet-info", "unspec.value.subnet-info"),
    needs=SCHEDULED,
)
def subnet_info(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    sent = under_way(stage, caller, "subnet_info", management.SubnetInfoArguments(SUBNET), 0)
    # When
    stage.take("subnet_info", replica_version="one", registry_version=42)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), results_in("subnet_info", management.SubnetInfoResult("one", 42)))


@scenario(
    "Information for canisters is refused to users",
    covers=(
        "mgmt-general.facade",
        "rule.mgmt.canister-info",
        "rule.mgmt.subnet-info",
        "prod.execution_test.get_canister_metadata",
        "prod.canister_manager.subnet_info_ingress_fails",
        "prod.canister_manager.node_metrics_history_ingress_update_fails",
        "prod.canister_history.canister_info_retrieval",
    ),
)
def information_for_users(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    asked: tuple[tuple[str, management.AnyArguments], ...] = (
        ("canister_info", CanisterInfo(canister)),
        ("canister_metadata", management.CanisterMetadataArguments(canister, "x")),
        ("node_metrics_history", management.NodeMetricsHistoryArguments(SUBNET, 0)),
        ("subnet_info", management.SubnetInfoArguments(SUBNET)),
    )
    # Then
    for method_name, arguments in asked:
        stage.expect(manage(stage, canister, method_name, arguments), refuses())
