"""Settings one by one: what they do, and their limits."""

from typing import Any

from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.scripted import bytes_of_u64, ignore, memory_grow, program, reply, spin
from conformance.judging.patterns import fails, refuses, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE, BOB, EVE, user
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import (
    DONE,
    REJECTED,
    asking,
    in_order,
    status_of,
    update_settings,
)
from conformance.suite.scenarios.preparations import controlled_by, freeze, scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Controllers, EnvironmentVariable, Public
from spec.values.containers import List
from spec.values.identifiers import Text
from spec.values.rejects import RejectReason

INVALID = fails(RejectReason.INVALID_SETTINGS)
UPDATING = ("rule.mgmt.update-settings.conditions", "mgmt.update-settings")


RESERVING = Needs(exact_costs=True, own_subnet=True)
"""What is reserved hangs on all that the subnet holds."""

OWN_FIGURES = Needs(exact_costs=True)
"""How many environment variables there may be, and how long they are, the text leaves to the implementation."""


def _kept(name: Text, title: Text, covers: tuple[Text, ...], needs: Needs | None = None, **settings: Any) -> None:
    """Such settings are taken, shown in the status, and nothing else changes."""

    def script(stage: Stage) -> None:
        # Given
        canister = stage.create(cycles=10**15)
        before = status_of(stage, canister).settings
        # When
        stage.expect(update_settings(stage, canister, **settings), DONE)
        # Then
        after = status_of(stage, canister).settings
        stage.require(in_order(evolve(before, **settings)) == in_order(after), "the others are as they were")

    script.__name__ = name
    scenario(title, covers=(*covers, "rule.mgmt.update-settings.effects"), needs=needs)(script)


def _refused(name: Text, title: Text, covers: tuple[Text, ...], needs: Needs | None = None, **settings: Any) -> None:
    """Such settings are refused, at creation too."""

    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        before = status_of(stage, canister)
        # When
        changed = update_settings(stage, canister, **settings)
        arguments = management.ProvisionalCreateArguments(10**14, management.SettingsArguments(**settings))
        created = stage.manage("provisional_create_canister_with_cycles", arguments)
        # Then
        for answer in (changed, created):
            stage.expect(answer, fails() | refuses())
        stage.require(status_of(stage, canister).settings == before.settings, "nothing changed")

    script.__name__ = name
    scenario(title, covers=(*covers, *UPDATING, "error.invalid-settings"), needs=needs)(script)


def variables(count: int, name: int = 3, value: int = 1) -> List[EnvironmentVariable]:
    """So many environment variables with names and values of a length."""
    return List(tuple(EnvironmentVariable(str(index).zfill(name), "v" * value) for index in range(count)))


VIEWERS = AllowedViewers(List.of(EVE))
TEN = tuple(user(f"controller {number}") for number in range(10))

_kept(
    "compute_allocation",
    "A share of computing power can be reserved",
    ("setting.compute-allocation",),
    compute_allocation=10,
)
_kept("memory_allocation", "Memory can be reserved", ("setting.memory-allocation",), memory_allocation=2**30)
_kept(
    "freezing_threshold", "The freezing threshold can be changed", ("setting.freezing-threshold",), freezing_threshold=7
)
_kept(
    "reserved_cycles_limit",
    "The limit of reserved cycles can be changed",
    ("setting.reserved-cycles-limit",),
    reserved_cycles_limit=2**70,
)
_kept(
    "minimum_incoming_cycles",
    "The cycles that calls have to carry can be set",
    ("setting.minimum-incoming-canister-call-cycles",),
    minimum_incoming_canister_call_cycles=2**70,
)
_kept(
    "log_visible",
    "Logs can be shown to everybody",
    (
        "setting.log-visibility",
        "prod.ee_tests.test_canister_settings_log_visibility_set_to_public",
    ),
    log_visibility=Public(),
)
_kept("log_viewers", "Logs can be shown to some", ("setting.log-visibility",), log_visibility=VIEWERS)
_kept("wasm_memory_limit", "The heap can be limited", ("setting.wasm-memory-limit",), wasm_memory_limit=2**30)
_kept(
    "wasm_memory_threshold",
    "The threshold for low memory can be set",
    ("setting.wasm-memory-threshold",),
    wasm_memory_threshold=2**48,
)
_kept(
    "twenty_variables",
    "Twenty environment variables with names and values of 128 bytes can be set",
    ("setting.environment-variables", "unspec.const.max-env-var-count", "inv.env-vars-bounded"),
    needs=OWN_FIGURES,
    environment_variables=variables(20, 128, 128),
)
_kept(
    "several_at_once", "Several settings are changed at once", UPDATING, freezing_threshold=5, log_visibility=Public()
)

_refused(
    "compute_above",
    "More than all computing power cannot be reserved",
    ("setting.compute-allocation",),
    compute_allocation=101,
)
_refused(
    "memory_above",
    "More memory than a canister can use cannot be reserved",
    ("setting.memory-allocation",),
    memory_allocation=2**60,
)
_refused(
    "freezing_above",
    "The freezing threshold has at most 64 bits",
    ("setting.freezing-threshold",),
    freezing_threshold=2**64,
)
_refused(
    "reserved_above",
    "The limit of reserved cycles has at most 128 bits",
    ("setting.reserved-cycles-limit",),
    reserved_cycles_limit=2**128,
)
_refused(
    "heap_limit_above",
    "The limit of the heap is below 2^48",
    ("setting.wasm-memory-limit",),
    wasm_memory_limit=2**48 + 1,
)
_refused(
    "threshold_above",
    "The threshold for low memory has at most 64 bits",
    ("setting.wasm-memory-threshold",),
    wasm_memory_threshold=2**64,
)
_refused(
    "threshold_above_all_memory",
    "The threshold for low memory is at most 2^48",
    ("setting.wasm-memory-threshold",),
    wasm_memory_threshold=2**48 + 1,
)
_refused(
    "eleven_controllers",
    "A canister has at most ten controllers",
    ("setting.controllers", "inv.controllers-bounded"),
    controllers=List(tuple(sorted((*TEN, BOB)))),
)
_refused(
    "many_viewers",
    "At most ten principals are admitted to the logs",
    ("setting.log-visibility",),
    log_visibility=AllowedViewers(List(tuple(sorted((*TEN, BOB))))),
)
_refused(
    "many_variables",
    "There are at most twenty environment variables",
    (
        "setting.environment-variables",
        "prod.canister_manager.test_environment_variables_are_not_set_when_too_many_keys",
    ),
    needs=OWN_FIGURES,
    environment_variables=variables(21),
)
_refused(
    "long_variable_name",
    "The name of an environment variable has at most 128 bytes",
    ("unspec.const.max-env-var-name-length",),
    needs=OWN_FIGURES,
    environment_variables=variables(1, 129),
)
_refused(
    "long_variable_value",
    "The value of an environment variable has at most 128 bytes",
    (
        "unspec.const.max-env-var-value-length",
        "prod.canister_manager.test_environment_variables_are_not_set_when_value_is_too_long",
    ),
    needs=OWN_FIGURES,
    environment_variables=variables(1, 3, 129),
)
_refused(
    "variable_twice",
    "No two environment variables have the same name",
    ("setting.environment-variables",),
    environment_variables=List.of(EnvironmentVariable("same", "1"), EnvironmentVariable("same", "2")),
)


@scenario(
    "Reserving memory above the threshold of the subnet's usage reserves cycles, which do not come back",
    covers=("unspec.fn.cycles-to-reserve", "inv.cycles.reserved-one-way"),
    needs=RESERVING,
)
def reserving(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=10**18, settings=management.SettingsArguments(reserved_cycles_limit=10**18))
    # When
    stage.expect(update_settings(stage, canister, memory_allocation=10**12), DONE)
    reserved = status_of(stage, canister).reserved_cycles
    stage.expect(update_settings(stage, canister, memory_allocation=0), DONE)
    # Then
    stage.require(reserved > 0, "cycles are reserved")
    stage.require(status_of(stage, canister).reserved_cycles == reserved, "they stay reserved")


@scenario(
    "Memory is not reserved if that needs more cycles than may be reserved",
    covers=("error.reserved-limit-memory-allocation", "inv.cycles.reserved-limit"),
    needs=RESERVING,
)
def above_reserved_limit(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=10**18, settings=management.SettingsArguments(reserved_cycles_limit=10))
    # When
    answer = update_settings(stage, canister, memory_allocation=10**12)
    # Then
    stage.expect(answer, fails(RejectReason.RESERVATION_LIMIT_EXCEEDED))
    stage.require(status_of(stage, canister).settings.memory_allocation == 0, "nothing is allocated")


@scenario(
    "The limit of reserved cycles cannot be set below what is reserved",
    covers=("error.reserved-limit-too-low", "setting.reserved-cycles-limit"),
    needs=RESERVING,
)
def limit_below_reserved(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=10**18, settings=management.SettingsArguments(reserved_cycles_limit=10**18))
    update_settings(stage, canister, memory_allocation=10**12)
    # Then
    stage.expect(
        update_settings(stage, canister, reserved_cycles_limit=1),
        fails(RejectReason.RESERVATION_LIMIT_EXCEEDED),
    )
    stage.about("canister_status", canister)


@scenario(
    "A canister reserves no more memory and no more computing power than it can pay for",
    covers=("error.insufficient-cycles-memory-allocation", "error.insufficient-cycles-compute-allocation"),
    needs=Needs(exact_costs=True),
)
def unpaid_allocation(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=10**12)
    # Then
    for settings in ({"memory_allocation": 2**36}, {"compute_allocation": 100}):
        answer = update_settings(stage, canister, **settings)
        stage.expect(answer, fails(RejectReason.CANISTER_OUT_OF_CYCLES))


@scenario(
    "A frozen canister is managed by canisters alone, until one of them lowers its freezing threshold",
    covers=("setting.freezing-threshold", "def.freezing-limit", "def.liquid-balance"),
)
def thawing(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    frozen = scripted(stage, settings=controlled_by(ALICE, owner))
    freeze(stage, frozen)
    # When
    refused = stage.about("canister_status", frozen)
    thaw = management.UpdateSettingsArguments(frozen, management.SettingsArguments(freezing_threshold=0))
    stage.expect(stage.call(owner, asking("update_settings", thaw)), DONE)
    # Then
    stage.expect(refused, refuses(RejectReason.CANISTER_FROZEN))
    stage.expect(stage.call(frozen, program(reply(b"thawed"))), replies_with(b"thawed"))


@scenario(
    "Growing the heap beyond its limit makes an update call fail, not a query",
    covers=("error.wasm-memory-limit", "setting.wasm-memory-limit"),
)
def heap_limit(stage: Stage) -> None:
    # Given
    canister = scripted(stage, settings=management.SettingsArguments(wasm_memory_limit=2**23))
    growing = program(ignore(memory_grow(200)), reply(b"grown"))
    # When
    update = stage.call(canister, growing)
    query = stage.query(canister, growing)
    # Then
    stage.expect(update, fails(RejectReason.MEMORY_LIMIT_EXCEEDED))
    stage.expect(query, replies())
    stage.balance(canister)


@scenario(
    "A canister cannot use more memory than its controllers' allocation leaves it cycles for",
    covers=("error.insufficient-cycles-memory-grow", "error.out-of-memory", "api.stable64-grow"),
)
def unpaid_growth(stage: Stage) -> None:
    # Given
    canister = scripted(stage, cycles=10**12)
    # When
    answer = stage.call(canister, program(reply(bytes_of_u64(ic0.stable64_grow(2**20)))))
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_OUT_OF_CYCLES))
    stage.balance(canister)


@scenario(
    "A controller that is a canister changes settings, and its version is kept in the history",
    covers=(
        "seed2.controllers-kinds",
        "rule.mgmt.update-settings.effects",
        "prod.execution_test.set_wasm_memory_limit_from_another_canister",
    ),
)
def controlling_canister(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    canister = stage.create(settings=controlled_by(ALICE, owner))
    settings = management.SettingsArguments(freezing_threshold=99, wasm_memory_limit=2**32)
    # When
    answer = stage.call(owner, asking("update_settings", management.UpdateSettingsArguments(canister, settings)))
    # Then
    stage.expect(answer, DONE)
    after = status_of(stage, canister).settings
    stage.require((after.freezing_threshold, after.wasm_memory_limit) == (99, 2**32), "the settings are changed")


@scenario(
    "A canister that controls itself can give itself away",
    covers=("setting.controllers", "api.is-controller"),
)
def self_controlling(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    update_settings(stage, canister, controllers=List(tuple(sorted((ALICE, canister)))))
    # When
    away = management.SettingsArguments(controllers=List.of(BOB))
    answer = stage.call(canister, asking("update_settings", management.UpdateSettingsArguments(canister, away)))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.about("canister_status", canister), refuses())
    stage.expect(stage.about("canister_status", canister, BOB), replies())


@scenario(
    "Settings of a canister that does not exist cannot be changed, nor those of others",
    covers=("error.canister-not-found", "error.invalid-controller", *UPDATING),
)
def settings_of_others(stage: Stage) -> None:
    # Given
    caller, canister = scripted(stage), stage.create()
    none = management.SettingsArguments()
    # Then
    stage.expect(
        stage.call(caller, asking("update_settings", management.UpdateSettingsArguments(NOBODY, none))), REJECTED
    )
    foreign = management.UpdateSettingsArguments(canister, none)
    stage.expect(stage.call(caller, asking("update_settings", foreign)), REJECTED)


def _visible(name: Text, title: Text, visibility: object, sees: bool) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # When
        stage.expect(update_settings(stage, canister, status_visibility=visibility), DONE)
        # Then
        stage.expect(stage.about("canister_status", canister, EVE), replies() if sees else refuses())
        stage.expect(stage.about("canister_status", canister), replies())

    script.__name__ = name
    scenario(title, covers=("setting.status-visibility", "mgmt-general.visibility"))(script)


_visible("status_for_viewers", "The status is shown to those whom its visibility names", VIEWERS, True)
_visible(
    "status_for_others",
    "The status is not shown to whom its visibility does not name",
    AllowedViewers(List.of(BOB)),
    False,
)
_visible("status_for_controllers", "The status is shown to controllers only, if so set", Controllers(), False)


@scenario(
    "A canister is charged for the instructions that it uses, and more for more of them",
    covers=("seed2.execution-paid-in-cycles", "unspec.fn.cycles-used"),
)
def charged(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    balances = [stage.balance(canister)]
    # When
    for iterations in (1_000, 100_000):
        stage.call(canister, program(spin(iterations), reply()))
        balances.append(stage.balance(canister))
    # Then
    stage.require(balances[0] - balances[1] < balances[1] - balances[2], "the longer execution costs more")
