"""Requests of users are submitted."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import Inspected
from spec.certification.envelope import RequestKind
from spec.machine import step
from spec.rules.ingress.request_ids import request_content, request_id_of
from spec.rules.tests.worlds import (
    ADMIN,
    FAKES,
    NOW,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_request,
    canister,
    code,
    fire,
    is_refused,
    module,
    received,
    refusal,
    world,
)
from spec.state.canister import AllowedViewers, Controllers, Empty, Public, Stopped, Stopping, Subnet
from spec.state.label import Label
from spec.state.request import Done, KnownRequest, Received, SenderInfo
from spec.transition import NotEnabled, RequestStatusChanged, Step
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.rejects import RejectCode, RejectReason, system_reject

FROZEN = {"balance": 0, "freezing_threshold": 2**64 - 1, "compute_allocation": 1}


def submit(state, request, effective_id=A):
    return fire(state, "submit_request", request=request, effective_id=effective_id)


def manage(method_name, argument, sender=USER):
    given = argument if isinstance(argument, bytes) else management.encode_arguments(argument)
    return a_request(MANAGEMENT_CANISTER, method_name, given, sender=sender)


def may_manage(state, request, effective_id=A):
    given = {"request": request, "effective_id": effective_id}
    result = step(state, Label("submit_management_request", given))
    if isinstance(result, Step):
        assert fire(state, "submit_management_request", **given) == result
    return isinstance(result, Step)


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "rule.submit-call.regular-canister", "def.request-shapes")
def test_a_request_that_a_running_canister_accepts_is_received_and_nothing_else_changes():
    state, request = world((A, canister(A))), a_request()
    fired = submit(state, request)
    known = KnownRequest(request, Received(), A)
    assert fired == Step(
        evolve(state, requests=Map.of([(request_id_of(request), known)])),
        outputs=(RequestStatusChanged(request_id_of(request), Received()),),
    )


@pytest.mark.checklist("rule.submit-call.canister-endpoint")
def test_a_nonce_may_have_32_bytes_and_not_more():
    state = world((A, canister(A)))
    submit(state, a_request(nonce=bytes(32)))
    request = a_request(nonce=bytes(33))
    assert is_refused(state, "submit_request", "the nonce is short enough", request=request, effective_id=A)


@pytest.mark.checklist("http.nonce", "http.request-id")
def test_an_empty_nonce_is_no_part_of_a_request():
    assert "nonce" not in request_content(a_request(nonce=b""), RequestKind.CALL)
    assert request_content(a_request(nonce=b"n"), RequestKind.CALL)["nonce"] == b"n"


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "inv.ingress.no-replay")
@pytest.mark.parametrize("status", [Received(), Done()])
def test_a_request_that_is_known_is_not_received_again_whatever_its_status(status):
    request = a_request()
    known = KnownRequest(request, status, A)
    state = world((A, canister(A)), requests=Map.of([(request_id_of(request), known)]))
    assert is_refused(state, "submit_request", "the request is not known yet", request=request, effective_id=A)


@pytest.mark.checklist(
    "rule.submit-call.canister-endpoint", "unspec.spont.request-loss", "unspec.env.ingress-expiry-bound"
)
def test_a_request_may_be_received_at_its_expiry_and_not_later():
    state = world((A, canister(A)))
    submit(state, a_request(ingress_expiry=NOW))
    late = refusal(state, "submit_request", request=a_request(ingress_expiry=NOW - 1), effective_id=A)
    reject = system_reject(RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)
    assert late == NotEnabled("the request has not expired", reject)


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "def.effective-canister-id", "http.effective-id.regular")
def test_the_effective_canister_id_is_that_of_the_callee():
    state = world((A, canister(A)), (B, canister(B)))
    because = "the effective canister id is that of the callee"
    assert is_refused(state, "submit_request", because, request=a_request(A), effective_id=B)


@pytest.mark.checklist(
    "rule.submit-call.canister-endpoint",
    "rule.submit-call.regular-canister",
    "unspec.error.empty-canister",
    "prod.hypervisor.cannot_execute_update_on_stopping_canister",
    "prod.hypervisor.cannot_execute_update_on_stopped_canister",
    "prod.hypervisor.cannot_execute_query_on_stopping_canister",
    "prod.ee_tests.message_to_stopping_canister_is_rejected",
    "prod.ee_tests.message_to_stopped_canister_is_rejected",
    "prod.ee_tests.message_to_canister_with_not_enough_balance_is_rejected",
)
@pytest.mark.parametrize(
    ("callee", "code_of_reject", "reason"),
    [
        (None, RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND),
        ({"installed": Empty()}, RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE),
        ({"status": Stopping()}, RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPING),
        ({"status": Stopped()}, RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED),
        (FROZEN, RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN),
        (FROZEN | {"status": Stopped()}, RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN),
    ],
)
def test_a_canister_that_takes_no_requests_refuses_with_its_reason(callee, code_of_reject, reason):
    state = world() if callee is None else world((A, canister(A, **callee)))
    found = refusal(state, "submit_request", request=a_request(), effective_id=A)
    assert found.reject == system_reject(code_of_reject, reason)


@pytest.mark.checklist("rule.submit-call.regular-canister")
def test_a_canister_that_does_not_accept_the_message_keeps_the_request_out():
    state = world((A, canister(A, code(A, module(inspected=Inspected(accepts=False))))))
    found = refusal(state, "submit_request", request=a_request(), effective_id=A)
    assert found.reject == system_reject(RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("rule.submit-call.regular-canister", "unspec.value.error-codes")
def test_an_inspection_that_traps_keeps_the_request_out_with_another_code():
    state = world((A, canister(A, code(A, module(inspected=Inspected(accepts=False, traps=True))))))
    found = refusal(state, "submit_request", request=a_request(), effective_id=A)
    assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)


@pytest.mark.checklist("unspec.fn.stable-grow")
def test_growths_of_memories_may_be_refused_or_end_it_while_a_request_is_inspected():
    raw_module = module()
    state = world((A, canister(A, code(A, raw_module))))
    fire(state, "submit_request", request=a_request(), effective_id=A, refused_growths=(1,), trapping_growths=(2,))
    seen = [given["environment"] for _, given in FAKES[raw_module].seen]
    assert [(each.refused_growths, each.trapping_growths) for each in seen] == [((1,), (2,))]


@pytest.mark.checklist("rule.submit-call.regular-canister")
def test_inspection_sees_the_request_its_caller_info_and_an_environment_without_certificate():
    raw_module = module()
    state = world((A, canister(A, code(A, raw_module))))
    submit(state, a_request(argument=b"data", sender_info=SenderInfo(b"info", B, b"signature")))
    (name, seen), *_ = FAKES[raw_module].seen
    environment = seen.pop("environment")
    assert (name, seen) == (
        "inspect_message go",
        {"wasm_state": code(A, raw_module).wasm_state, "argument": b"data", "caller": Caller(USER, b"info", B)},
    )
    assert (environment.certificate, environment.replicated, environment.canister_version) == (None, False, 7)
    assert environment.instruction_limit == state.profile.limits.inspect_message_instructions


# The management canister.

ABOUT_A = management.CanisterIdArguments(A)
CONTROLLER_CALLS = {
    "install_code": management.InstallCodeArguments(management.InstallMode(), A, b""),
    "update_settings": management.UpdateSettingsArguments(A, management.SettingsArguments()),
}
ADMIN_CALLS = {
    "start_canister": ABOUT_A,
    "stop_canister": ABOUT_A,
    "delete_canister": ABOUT_A,
    "uninstall_code": management.UninstallCodeArguments(A),
}
ADMINS = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])


@pytest.mark.checklist(
    "rule.submit-call.mgmt-controller-methods", "mgmt-general.subnet-admins", "error.invalid-controller"
)
@pytest.mark.parametrize("method_name", CONTROLLER_CALLS)
def test_only_controllers_may_submit_calls_that_change_code_or_settings(method_name):
    state = world((A, canister(A)), subnet_admins=ADMINS)
    argument = CONTROLLER_CALLS[method_name]
    senders = [sender for sender in (USER, ADMIN, STRANGER) if may_manage(state, manage(method_name, argument, sender))]
    assert senders == [USER]


@pytest.mark.checklist(
    "rule.submit-call.mgmt-admin-methods",
    "mgmt-general.subnet-admins",
    "prod.ee_tests.management_message_to_canister_with_enough_balance_is_accepted",
)
@pytest.mark.parametrize("method_name", ADMIN_CALLS)
def test_controllers_and_subnet_admins_may_submit_calls_about_the_life_of_a_canister(method_name):
    state = world((A, canister(A)), subnet_admins=ADMINS)
    argument = ADMIN_CALLS[method_name]
    senders = [sender for sender in (USER, ADMIN, STRANGER) if may_manage(state, manage(method_name, argument, sender))]
    assert senders == [USER, ADMIN]


@pytest.mark.checklist(
    "rule.submit-call.mgmt-canister-status",
    "setting.status-visibility",
    "mgmt-general.visibility",
    "prod.canister_status.test_status_visibility_of_canister_status",
)
@pytest.mark.parametrize(
    ("visibility", "admitted"),
    [
        (Controllers(), [USER, ADMIN]),
        (Public(), [USER, ADMIN, STRANGER, B]),
        (AllowedViewers(List.of(B)), [USER, ADMIN, B]),
    ],
)
def test_the_status_may_be_asked_by_admins_and_whom_the_visibility_admits(visibility, admitted):
    state = world((A, canister(A, status_visibility=visibility)), subnet_admins=ADMINS)
    requests = {sender: manage("canister_status", ABOUT_A, sender) for sender in (USER, ADMIN, STRANGER, B)}
    assert [sender for sender, request in requests.items() if may_manage(state, request)] == admitted


@pytest.mark.checklist("rule.submit-call.mgmt-create-canister", "def.effective-canister-id")
def test_only_admins_of_the_subnet_may_create_canisters_as_users_with_any_effective_canister_id():
    state = world(subnet_admins=ADMINS)
    requests = {sender: manage("create_canister", b"DIDL\0\0", sender) for sender in (USER, ADMIN)}
    assert [sender for sender, request in requests.items() if may_manage(state, request, A)] == [ADMIN]
    assert may_manage(state, requests[ADMIN], B)


@pytest.mark.checklist("rule.submit-call.mgmt-create-canister")
def test_the_admins_who_may_create_a_canister_are_those_of_the_subnet_of_the_effective_canister_id():
    elsewhere = Subnet(Principal(b"elsewhere"), 13)
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN)), (elsewhere.subnet_id, List.of(STRANGER))])
    state = world((A, canister(A)), (B, evolve(canister(B), subnet=elsewhere)), subnet_admins=admins)
    admitted = {
        effective_id: [
            sender
            for sender in (ADMIN, STRANGER)
            if may_manage(state, manage("create_canister", b"DIDL\0\0", sender), effective_id)
        ]
        for effective_id in (A, B, C)
    }
    assert admitted == {A: [ADMIN], B: [STRANGER], C: [ADMIN]}, "C is no canister"


# The subnet endpoint.

NOT_CREATING = "the call creates a canister, so it has an effective subnet id"


@pytest.mark.checklist("rule.submit-call.subnet-endpoint", "def.effective-subnet-id")
@pytest.mark.parametrize("method_name", ["create_canister", "provisional_create_canister_with_cycles"])
def test_at_the_subnet_endpoint_admins_create_canisters_on_that_subnet(method_name):
    state, request = world(subnet_admins=ADMINS), manage(method_name, b"DIDL\0\0", ADMIN)
    fired = fire(state, "submit_subnet_request", request=request, effective_id=SUBNET.subnet_id)
    known = KnownRequest(request, Received(), SUBNET.subnet_id)
    assert fired == Step(
        evolve(state, requests=Map.of([(request_id_of(request), known)])),
        outputs=(RequestStatusChanged(request_id_of(request), Received()),),
    )
    others = refusal(
        state,
        "submit_subnet_request",
        request=manage(method_name, b"DIDL\0\0", USER),
        effective_id=SUBNET.subnet_id,
    )
    assert others.reject == system_reject(RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("rule.submit-call.subnet-endpoint", "def.effective-subnet-id")
@pytest.mark.parametrize(
    ("request_given", "effective_id", "because"),
    [
        (a_request(sender=ADMIN), SUBNET.subnet_id, "the call goes to the management canister"),
        (manage("start_canister", management.CanisterIdArguments(A), ADMIN), SUBNET.subnet_id, NOT_CREATING),
        (manage("start_canister", management.CanisterIdArguments(A), ADMIN), A, NOT_CREATING),
        (
            manage("create_canister", b"DIDL\0\0", ADMIN),
            A,
            "the effective subnet id is that of this subnet",
        ),
        (
            evolve(manage("create_canister", b"DIDL\0\0", ADMIN), ingress_expiry=NOW - 1),
            SUBNET.subnet_id,
            "the request has not expired",
        ),
    ],
)
def test_at_the_subnet_endpoint_nothing_else_is_taken_in(request_given, effective_id, because):
    state = world((A, canister(A, controllers=List.of(ADMIN))), subnet_admins=ADMINS)
    assert is_refused(state, "submit_subnet_request", because, request=request_given, effective_id=effective_id)


@pytest.mark.checklist(
    "rule.submit-call.mgmt-provisional-create", "mgmt-general.provisional", "def.effective-canister-id"
)
def test_anybody_may_create_canisters_with_cycles_and_top_canisters_up():
    state = world((A, canister(A)))
    create = management.ProvisionalCreateArguments()
    assert may_manage(state, manage("provisional_create_canister_with_cycles", create, STRANGER), B)
    top_up = management.ProvisionalTopUpArguments(A, 5)
    assert may_manage(state, manage("provisional_top_up_canister", top_up, STRANGER))


@pytest.mark.checklist("mgmt.raw-rand", "mgmt.deposit-cycles", "rule.submit-call.canister-endpoint")
@pytest.mark.parametrize(
    ("method_name", "argument", "code"),
    [
        ("raw_rand", b"DIDL\0\0", RejectCode.CANISTER_REJECT),
        ("deposit_cycles", ABOUT_A, RejectCode.CANISTER_REJECT),
        ("no_such_method", b"", RejectCode.CANISTER_ERROR),
        ("start_canister", b"rubbish", RejectCode.CANISTER_REJECT),
    ],
)
def test_users_may_not_submit_calls_that_are_for_canisters_or_that_make_no_sense(method_name, argument, code):
    state = world((A, canister(A)))
    found = refusal(state, "submit_management_request", request=manage(method_name, argument), effective_id=A)
    assert found.reject == system_reject(code, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("def.effective-canister-id", "error.canister-not-found")
def test_a_management_call_names_its_canister_as_effective_id_and_the_canister_exists():
    state, request = world((A, canister(A))), manage("start_canister", ABOUT_A)
    because = "the effective canister id is that of the managed canister"
    assert is_refused(state, "submit_management_request", because, request=request, effective_id=B)
    found = refusal(world(), "submit_management_request", request=request, effective_id=A)
    assert found.reject == system_reject(RejectCode.DESTINATION_INVALID, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("rule.submit-call.canister-endpoint")
def test_users_may_not_manage_a_frozen_canister():
    state = world((A, canister(A, **FROZEN)))
    found = refusal(state, "submit_management_request", request=manage("start_canister", ABOUT_A), effective_id=A)
    assert found.reject == system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "setting.freezing-threshold")
def test_a_change_of_settings_may_be_taken_for_a_frozen_canister_but_need_not_be():
    rule, settings = "submit_management_request", management.SettingsArguments(freezing_threshold=0)
    change = manage("update_settings", management.UpdateSettingsArguments(A, settings))
    state = world((A, canister(A, **FROZEN)))
    assert is_refused(state, rule, "the canister is not frozen", request=change, effective_id=A)
    fired = fire(state, rule, request=change, effective_id=A, may_unfreeze=True)
    request_id, known = received(change)
    assert fired.state == evolve(state, requests=Map.of([(request_id, evolve(known, effective_id=A))]))


@pytest.mark.checklist("rule.submit-call.canister-endpoint")
def test_no_other_call_about_a_frozen_canister_is_taken_whatever_the_system_chooses():
    state = world((A, canister(A, **FROZEN)))
    choices = {"request": manage("start_canister", ABOUT_A), "effective_id": A, "may_unfreeze": True}
    assert is_refused(state, "submit_management_request", "the canister is not frozen", **choices)
    stranger = manage(
        "update_settings", management.UpdateSettingsArguments(A, management.SettingsArguments()), STRANGER
    )
    choices |= {"request": stranger}
    assert is_refused(state, "submit_management_request", "the user is a controller", **choices)


def test_each_of_the_two_rules_takes_only_its_own_requests():
    state = world((A, canister(A)))
    ours, theirs = a_request(), manage("start_canister", ABOUT_A)
    assert received(ours)[0] != received(theirs)[0]
    because = "the call goes to the management canister"
    assert is_refused(state, "submit_management_request", because, request=ours, effective_id=A)
    because = "the call goes to a regular canister"
    assert is_refused(state, "submit_request", because, request=theirs, effective_id=MANAGEMENT_CANISTER)


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "def.liquid-balance")
def test_a_liquid_balance_of_zero_is_not_frozen():
    state = world((A, canister(A, balance=0, freezing_threshold=0)))
    submit(state, a_request())
    assert may_manage(state, manage("start_canister", ABOUT_A))
