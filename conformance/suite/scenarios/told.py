"""What status, history and logs tell of changes."""

import gzip

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import ignore, program, reply
from conformance.judging.patterns import replies
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.chunks import digest
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.management_calls import DONE, asking, manage, result_of, status_of, update_settings
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.scenarios.snapshots import TINY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable, Public
from spec.values.changes import ChangeFromUser, ControllersChange, Creation
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Text
from spec.values.request_id import hash_of_map

SCRIPTED = load("scripted")


def variables(**given: Text) -> List[EnvironmentVariable]:
    """Environment variables."""
    return List(tuple(EnvironmentVariable(name, value) for name, value in given.items()))


def info_of(stage: Stage, asker: CanisterId, canister: CanisterId) -> management.CanisterInfoResult:
    """What any canister is told of another one."""
    arguments = management.CanisterInfoArguments(canister, 100)
    info: management.CanisterInfoResult = result_of(
        "canister_info", stage.call(asker, asking("canister_info", arguments))
    )
    return info


@scenario(
    "Environment variables are exactly those given last; the history tells the hash of the first ones, and no change",
    covers=(
        "setting.environment-variables",
        "rule.mgmt.update-settings.effects",
        "prod.canister_manager.test_environment_variables",
        "prod.canister_manager.canister_status_with_environment_variables",
        "prod.canister_history.canister_history_tracking_env_vars_update_settings",
        "prod.canister_history.canister_history_tracking_env_vars_create_canister",
        "prod.canister_history.canister_history_tracking_env_vars_update_with_identical_values",
    ),
)
def variables_change(stage: Stage) -> None:
    # Given
    asker, first = scripted(stage), variables(beta="2", alpha="1")
    canister = stage.create(settings=management.SettingsArguments(environment_variables=first))

    def told() -> dict[Text, Text]:
        return {each.name: each.value for each in status_of(stage, canister).settings.environment_variables}

    created = told()
    # When
    later: tuple[dict[Text, Text], ...] = (
        {"alpha": "1"},
        {"alpha": "1", "gamma": "3"},
        {"alpha": "9", "gamma": "3"},
        {"alpha": "9", "delta": "3"},
        {"alpha": "9", "delta": "3"},
        {},
    )
    seen = []
    for given in later:
        stage.expect(update_settings(stage, canister, environment_variables=variables(**given)), DONE)
        seen.append(told())
    # Then
    stage.require(created == {"alpha": "1", "beta": "2"}, "those given at creation are told")
    stage.require(tuple(seen) == later, "each change sets exactly those given")
    info = info_of(stage, asker, canister)
    hashed = hash_of_map({"alpha": "1", "beta": "2"})
    stage.require(
        [each.details for each in info.recent_changes] == [Creation(List.of(ALICE), hashed)],
        "the history tells their hash at creation, and nothing else",
    )
    stage.require(info.total_num_changes == 1, "nothing else counts as a change")


@scenario(
    "Every change of controllers is in the history, also one to the same; a user's claim of a version is ignored",
    covers=(
        "rule.mgmt.update-settings.effects",
        "mgmt-general.sender-canister-version",
        "inv.history-total",
        "prod.canister_history.canister_history_tracks_controllers_change_as_controllers_change",
    ),
)
def controllers_change(stage: Stage) -> None:
    # Given
    asker, canister = scripted(stage), stage.create()
    settings = management.SettingsArguments(controllers=List.of(BOB, ALICE, BOB))
    arguments = management.UpdateSettingsArguments(canister, settings, 777)
    # When
    for _ in range(2):
        stage.expect(manage(stage, canister, "update_settings", arguments), DONE)
    # Then
    info = info_of(stage, asker, canister)
    changes = list(info.recent_changes)[1:]
    stage.require(info.total_num_changes == 3, "both are counted")
    for change in changes:
        stage.require(change.origin == ChangeFromUser(ALICE), "alice made it")
        assert isinstance(change.details, ControllersChange), "controllers were given"
        stage.require(sorted(change.details.controllers) == sorted((ALICE, BOB)), "each controller is told once")
        stage.require(len(change.details.controllers) == 2, "and once only")


@scenario(
    "The hash of a module is that of its bytes as they were sent, compressed or not, and there is none without code",
    covers=(
        "def.canister-status-record",
        "module.encoding",
        "prod.canister_manager.canister_status_module_hash",
        "prod.canister_manager.test_install_code_rate_limiting_disabled",
    ),
)
def module_hashes(stage: Stage) -> None:
    # Given
    canister = stage.create()
    stage.require(status_of(stage, canister).module_hash is None, "an empty canister has none")
    sent = (
        (management.InstallMode(), SCRIPTED),
        (management.ReinstallMode(), gzip.compress(SCRIPTED, mtime=0)),
        (management.UpgradeMode(), gzip.compress(TINY, mtime=0)),
        (management.UpgradeMode(), TINY),
    )
    # Then
    for mode, module in sent:
        stage.expect(stage.install(canister, module, mode=mode), DONE)
        stage.require(status_of(stage, canister).module_hash == digest(module), "the hash is that of what was sent")


@scenario(
    "A page of stable memory is in the metrics of the memory",
    covers=(
        "mgmt.canister-status.memory-metrics",
        "prod.ee_tests.get_canister_status_memory_metrics_stable_memory_size",
    ),
)
def stable_memory_told(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    before = status_of(stage, canister).memory_metrics.stable_memory_size
    # When
    stage.expect(stage.call(canister, program(ignore(ic0.stable64_grow(1)), reply())), replies())
    # Then
    after = status_of(stage, canister).memory_metrics.stable_memory_size
    stage.require(after - before == 65_536, "it is a page larger")


@scenario(
    "Logs are told in order, are kept when the canister stops, and are gone when its code is uninstalled",
    covers=(
        "mgmt.fetch-canister-logs",
        "rule.mgmt.uninstall-code",
        "prod.pocket_ic.canister_logs",
        "prod.canister_logging.test_fetch_canister_logs_via_query_call",
        "prod.canister_logging.test_deleting_logs_on_uninstall",
    ),
)
def logs(stage: Stage) -> None:
    # Given
    canister = scripted(stage, settings=management.SettingsArguments(log_visibility=Public()))

    def told() -> list[bytes]:
        answer = asked(stage, canister, "fetch_canister_logs", EVE)
        return [record.content for record in result_of("fetch_canister_logs", answer)]

    at_first = told()
    # When
    for content in (b"first", b"second"):
        stage.expect(stage.call(canister, program(ic0.debug_print(content), reply())), replies())
    running = told()
    stop(stage, canister)
    stopped = told()
    uninstalling = management.UninstallCodeArguments(canister)
    stage.expect(manage(stage, canister, "uninstall_code", uninstalling), DONE)
    # Then
    both = zip(running, (b"first", b"second"), strict=False)
    # Reason: of what is printed, a system may keep the beginnings alone.
    is_told = len(running) == 2 and all(whole.startswith(kept) for kept, whole in both)
    stage.require(is_told and running == stopped, "both records are told, in order")
    stage.require(at_first == told() == [], "there are none before and after")
