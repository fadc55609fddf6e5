"""Canisters are created."""

import pytest
from attrs import evolve

from spec.rules.management.creation import is_system_assigned
from spec.rules.management.settings import environment_variables_hash
from spec.rules.tests.worlds import (
    ADMIN,
    NOTHING_LOST,
    NOW,
    PROFILE,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_request,
    a_user_call,
    asked,
    canister,
    fire,
    is_refused,
    managing,
    refusal,
)
from spec.state.canister import AllowedViewers, Canister, Controllers, Empty, HookStatus, Public, Running, Settings
from spec.state.history import CanisterHistory, Change, ChangeFromCanister, ChangeFromUser, Creation
from spec.state.message import ResponseMessage
from spec.transition import Burned, BurnReason, Minted, MintReason, Step
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, derived_id, self_authenticating_id
from spec.values.rejects import RejectReason, Reply

CREATE, PROVISIONAL = "create_canister", "provisional_create_canister_with_cycles"
FEE = 500_000_000_000
SENT = 10**15

DEFAULTS = Settings(
    controllers=List.of(C),
    compute_allocation=0,
    memory_allocation=0,
    freezing_threshold=2_592_000,
    reserved_balance_limit=5_000_000_000_000,
    minimum_incoming_canister_call_cycles=0,
    wasm_memory_limit=0,
    wasm_memory_threshold=0,
    environment_variables=List(),
    log_visibility=Controllers(),
    snapshot_visibility=Controllers(),
    status_visibility=Controllers(),
)


def new(settings=DEFAULTS, hash_of_variables=None, origin=None, **changes):
    """The canister that creation by C gives."""
    creation = Creation(settings.controllers, hash_of_variables)
    change = Change(NOW, 0, ChangeFromCanister(C, None) if origin is None else origin, creation)
    plain = Canister(
        code=Empty(),
        settings=settings,
        status=Running(),
        version=0,
        subnet=SUBNET,
        time=NOW,
        global_timer=0,
        balance=SENT - FEE,
        reserved_balance=0,
        certified_data=b"",
        created_at=NOW,
        installed_at=None,
        history=CanisterHistory(1, List.of(change)),
        low_memory_hook=HookStatus.CONDITION_NOT_SATISFIED,
        chunk_store=Map(),
        logs=List(),
    )
    return evolve(plain, **changes)


def creating(arguments=None, cycles=SENT, **changes):
    """A state in which C has called `create_canister`."""
    given = management.CreateCanisterArguments() if arguments is None else arguments
    others = changes.pop("others", ())
    method_name = CREATE if isinstance(given, bytes) else None
    return managing(*others, call=asked(given, method_name, caller=C, transferred_cycles=cycles), **changes)


def with_settings(**settings):
    return management.CreateCanisterArguments(management.SettingsArguments(**settings))


def provisionally(arguments=None, caller=C):
    """A state in which `provisional_create_canister_with_cycles` was called."""
    given = management.ProvisionalCreateArguments() if arguments is None else arguments
    return managing(call=asked(given, caller=caller))


def answered(state, refund, canister_id=A):
    """The messages after a creation."""
    reply = Reply(management.encode_canister_id_result(canister_id))
    return Queue(((1, ResponseMessage(state.messages[0].origin, reply, refund)),), 2)


def reason(state, rule=CREATE, canister_id=A):
    return refusal(state, rule, message_id=0, canister_id=canister_id).reject.reason


@pytest.mark.checklist(
    "rule.mgmt.create-canister.effects",
    "rule.mgmt.create-canister.defaults",
    "mgmt.create-canister",
    "mgmt-general.cycles-attached",
    "inv.version.monotone",
    "unspec.fn.subnets",
    "prod.canister_manager.create_canister_updates_consumed_cycles_metric_correctly",
    "prod.ee_tests.test_canister_settings_log_visibility_default_controllers",
    "seed1.top-up",
)
def test_a_new_canister_is_empty_and_runs_with_the_cycles_sent_less_the_fee():
    state = creating()
    fired = fire(state, CREATE, message_id=0, canister_id=A)
    assert fired == Step(
        evolve(state, canisters=state.canisters.set(A, new()), messages=answered(state, 0)),
        burned=(Burned(FEE, BurnReason.CREATION), NOTHING_LOST),
    )


@pytest.mark.checklist(
    "rule.mgmt.create-canister.defaults",
    "rule.mgmt.create-canister.effects",
    "setting.controllers",
    "prod.canister_history.canister_history_tracking_env_vars_update_settings",
    "prod.canister_history.canister_history_tracking_env_vars_create_canister",
    "prod.canister_manager.test_environment_variables_are_changed_via_create_canister",
)
def test_settings_that_are_given_replace_the_defaults():
    variables = List.of(EnvironmentVariable("b", "2"), EnvironmentVariable("a", "1"))
    given = management.SettingsArguments(
        controllers=List.of(USER, A),
        compute_allocation=1,
        memory_allocation=2**20,
        freezing_threshold=1,
        reserved_cycles_limit=2,
        minimum_incoming_canister_call_cycles=3,
        log_visibility=Public(),
        snapshot_visibility=AllowedViewers(List.of(B)),
        status_visibility=Public(),
        wasm_memory_limit=4,
        wasm_memory_threshold=5,
        environment_variables=variables,
    )
    state = creating(management.CreateCanisterArguments(given, 7))
    fired = fire(state, CREATE, message_id=0, canister_id=A)
    by_name = List.of(EnvironmentVariable("a", "1"), EnvironmentVariable("b", "2"))
    settings = Settings(
        List(tuple(sorted((USER, A)))), 1, 2**20, 1, 2, 3, 4, 5, by_name, Public(), AllowedViewers(List.of(B)), Public()
    )
    hashed = environment_variables_hash(by_name)
    expected = new(settings, hashed, ChangeFromCanister(C, 7))
    assert fired.state.canisters[A] == expected


@pytest.mark.checklist("def.change-origin", "rule.mgmt.create-canister.effects")
def test_the_history_of_a_canister_that_a_user_created_names_the_user_only():
    request = a_request(MANAGEMENT_CANISTER)
    argument = management.encode_arguments(management.ProvisionalCreateArguments(sender_canister_version=3))
    call = evolve(a_user_call(request), method_name=PROVISIONAL, argument=argument)
    fired = fire(managing(call=call), PROVISIONAL, message_id=0, canister_id=A)
    (change,) = fired.state.canisters[A].history.recent_changes
    assert change.origin == ChangeFromUser(USER)


@pytest.mark.checklist("error.create-canister-not-enough-cycles", "mgmt.create-canister")
def test_creating_needs_the_fee():
    assert reason(creating(cycles=FEE - 1)) == RejectReason.INSUFFICIENT_CYCLES_ATTACHED
    fired = fire(creating(cycles=FEE), CREATE, message_id=0, canister_id=A)
    assert fired.state.canisters[A].balance == 0


@pytest.mark.checklist(
    "mgmt-general.cycles-attached",
    "mgmt-general.subnet-admins",
    "prod.canister_manager.create_canister_as_subnet_admin_succeeds_on_free_cost_schedule",
)
def test_creating_is_free_on_a_subnet_with_admins():
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
    fired = fire(creating(cycles=0, subnet_admins=admins), CREATE, message_id=0, canister_id=A)
    assert (fired.state.canisters[A].balance, fired.burned) == (0, (Burned(0, BurnReason.CREATION), NOTHING_LOST))
    none = Map.of([(SUBNET.subnet_id, List())])
    assert reason(creating(cycles=0, subnet_admins=none)) == RejectReason.INSUFFICIENT_CYCLES_ATTACHED


@pytest.mark.checklist(
    "def.is-system-assigned",
    "inv.id-classes-disjoint",
    "def.identifiers",
    "unspec.fn.is-system-assigned",
    "seed2.canister-id",
)
@pytest.mark.parametrize(
    "canister_id",
    [
        MANAGEMENT_CANISTER,
        ANONYMOUS,
        self_authenticating_id(b"key"),
        derived_id(A, b"nonce"),
        b"reserved\x7f",
        bytes(29) + b"\x01",
    ],
)
def test_no_canister_gets_an_id_that_belongs_to_somebody_else(canister_id):
    assert not is_system_assigned(canister_id)
    assert reason(creating(), canister_id=canister_id) == RejectReason.CANISTER_ID_TAKEN


@pytest.mark.checklist("def.is-system-assigned", "unspec.fn.is-system-assigned")
@pytest.mark.parametrize("canister_id", [A, bytes(28) + b"\x01", b"\x01"])
def test_other_ids_are_free_to_be_chosen(canister_id):
    assert is_system_assigned(canister_id)
    fire(creating(), CREATE, message_id=0, canister_id=canister_id)


@pytest.mark.checklist(
    "rule.mgmt.create-canister.conditions", "inv.id-not-reused", "mgmt.delete-canister", "seed2.canister-id"
)
def test_an_id_is_given_once_only():
    assert reason(creating(others=((A, canister(A)),))) == RejectReason.CANISTER_ID_TAKEN
    assert reason(creating(deleted_canisters=List.of(A))) == RejectReason.CANISTER_ID_TAKEN


VARIABLES = List(tuple(EnvironmentVariable(f"name {number}", "value") for number in range(20)))
VIEWERS = List(tuple(self_authenticating_id(b"%d" % number) for number in range(10)))
ONE_MORE = self_authenticating_id(b"one more")
BOUNDS = [
    ({"controllers": VIEWERS}, {"controllers": VIEWERS.append(ONE_MORE)}),
    ({"compute_allocation": 100}, {"compute_allocation": 101}),
    ({"freezing_threshold": 2**64 - 1}, {"freezing_threshold": 2**64}),
    ({"reserved_cycles_limit": 2**128 - 1}, {"reserved_cycles_limit": 2**128}),
    ({"minimum_incoming_canister_call_cycles": 2**128 - 1}, {"minimum_incoming_canister_call_cycles": 2**128}),
    ({"wasm_memory_limit": 2**48}, {"wasm_memory_limit": 2**48 + 1}),
    ({"wasm_memory_threshold": 2**48}, {"wasm_memory_threshold": 2**48 + 1}),
    ({"log_visibility": AllowedViewers(VIEWERS)}, {"log_visibility": AllowedViewers(VIEWERS.append(ONE_MORE))}),
    (
        {"snapshot_visibility": AllowedViewers(VIEWERS)},
        {"snapshot_visibility": AllowedViewers(VIEWERS.append(ONE_MORE))},
    ),
    ({"status_visibility": AllowedViewers(VIEWERS)}, {"status_visibility": AllowedViewers(VIEWERS.append(ONE_MORE))}),
    (
        {"environment_variables": VARIABLES},
        {"environment_variables": VARIABLES.append(EnvironmentVariable("one more", ""))},
    ),
    (
        {"environment_variables": List.of(EnvironmentVariable("n" * 128, "v" * 128))},
        {"environment_variables": List.of(EnvironmentVariable("n" * 129, "v"))},
    ),
    (
        {"environment_variables": List.of(EnvironmentVariable("ü" * 64, "ü" * 64))},
        {"environment_variables": List.of(EnvironmentVariable("n", "ü" * 65))},
    ),
    (
        {"environment_variables": List.of(EnvironmentVariable("n", "1"), EnvironmentVariable("m", "1"))},
        {"environment_variables": List.of(EnvironmentVariable("n", "1"), EnvironmentVariable("n", "2"))},
    ),
    ({"controllers": List()}, {"memory_allocation": 2**48 + 1}),
]


@pytest.mark.checklist(
    "rule.mgmt.create-canister.conditions",
    "rule.mgmt.update-settings.conditions",
    "setting.controllers",
    "setting.compute-allocation",
    "setting.memory-allocation",
    "setting.freezing-threshold",
    "setting.reserved-cycles-limit",
    "setting.minimum-incoming-canister-call-cycles",
    "setting.wasm-memory-limit",
    "setting.wasm-memory-threshold",
    "setting.log-visibility",
    "setting.snapshot-visibility",
    "setting.status-visibility",
    "setting.environment-variables",
    "error.invalid-settings",
    "inv.controllers-bounded",
    "inv.env-vars-bounded",
    "unspec.const.max-env-var-count",
    "unspec.const.max-env-var-name-length",
    "unspec.const.max-env-var-value-length",
)
@pytest.mark.parametrize(("largest", "too_large"), BOUNDS)
def test_settings_keep_within_their_bounds_in_creation_and_change(largest, too_large):
    fire(creating(with_settings(**largest), 10**20), CREATE, message_id=0, canister_id=A)
    assert reason(creating(with_settings(**too_large), 10**20)) == RejectReason.INVALID_SETTINGS

    def changing(settings):
        arguments = management.UpdateSettingsArguments(A, management.SettingsArguments(**settings))
        return managing((A, canister(A, Empty(), balance=10**20)), call=asked(arguments))

    fire(changing(largest), "update_settings", message_id=0)
    assert refusal(changing(too_large), "update_settings", message_id=0).reject.reason == RejectReason.INVALID_SETTINGS


@pytest.mark.checklist(
    "rule.mgmt.create-canister.conditions",
    "error.insufficient-cycles-compute-allocation",
    "error.insufficient-cycles-memory-allocation",
    "prod.canister_manager.create_canister_checks_freezing_threshold_for_compute_allocation",
)
@pytest.mark.parametrize("allocation", [{"compute_allocation": 100}, {"memory_allocation": 2**30}])
def test_a_canister_that_takes_resources_must_not_be_born_frozen(allocation):
    assert reason(creating(with_settings(**allocation), FEE + 10**6)) == RejectReason.CANISTER_OUT_OF_CYCLES
    unfrozen = with_settings(freezing_threshold=0, **allocation)
    fire(creating(unfrozen, FEE + 10**6), CREATE, message_id=0, canister_id=A)


@pytest.mark.checklist(
    "rule.mgmt.create-canister.conditions",
    "error.reserved-limit-memory-allocation",
    "inv.cycles.reserved-limit",
    "inv.cycles.reserved-one-way",
)
def test_memory_on_a_full_subnet_is_reserved_for_up_to_the_limit_and_out_of_the_balance():
    full = ((B, canister(B, memory_allocation=10**12)),)
    asking = {"memory_allocation": 2**26, "freezing_threshold": 0}
    fired = fire(creating(with_settings(**asking), 10**16, others=full), CREATE, message_id=0, canister_id=A)
    after = fired.state.canisters[A]
    assert after.reserved_balance > 0
    assert after.balance + after.reserved_balance == 10**16 - FEE
    limited = with_settings(reserved_cycles_limit=after.reserved_balance - 1, **asking)
    assert reason(creating(limited, 10**16, others=full)) == RejectReason.RESERVATION_LIMIT_EXCEEDED
    assert reason(creating(with_settings(**asking), FEE, others=full)) == RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.checklist("rule.mgmt.create-canister.conditions", "mgmt-general.candid-interface")
def test_the_argument_of_a_creation_must_decode():
    assert reason(creating(b"rubbish")) == RejectReason.INVALID_ARGUMENT
    call = asked(b"rubbish", PROVISIONAL)
    assert reason(managing(call=call), PROVISIONAL) == RejectReason.INVALID_ARGUMENT


@pytest.mark.checklist(
    "rule.mgmt.provisional-create",
    "mgmt.provisional-create-canister-with-cycles",
    "unspec.const.default-provisional-cycles-balance",
    "prod.ee_tests.can_refund_cycles_after_successful_provisional_create_canister",
    "prod.canister_manager.create_canister_with_cycles_sender_in_whitelist",
)
@pytest.mark.parametrize("amount", [None, 0, 12_345])
def test_cycles_of_a_provisional_canister_come_out_of_nothing_and_those_sent_go_back(amount):
    given = management.ProvisionalCreateArguments(amount)
    state = provisionally(given)
    fired = fire(state, PROVISIONAL, message_id=0, canister_id=A)
    minted = PROFILE.defaults.provisional_cycles if amount is None else amount
    assert fired == Step(
        evolve(state, canisters=state.canisters.set(A, new(balance=minted)), messages=answered(state, 1_000_000)),
        minted=(Minted(minted, MintReason.PROVISIONAL),),
        burned=(NOTHING_LOST,),
    )


@pytest.mark.checklist("rule.mgmt.provisional-create", "def.is-system-assigned")
def test_a_provisional_canister_gets_the_id_that_was_asked_for():
    state = provisionally(management.ProvisionalCreateArguments(specified_id=B))
    fire(state, PROVISIONAL, message_id=0, canister_id=B)
    because = "the id is the one that was asked for"
    assert is_refused(state, PROVISIONAL, because, message_id=0, canister_id=A)
    for taken in (C, USER):
        state = provisionally(management.ProvisionalCreateArguments(specified_id=taken))
        assert reason(state, PROVISIONAL, taken) == RejectReason.CANISTER_ID_TAKEN
