"""Small management methods, and management calls that fail."""

import pytest
from attrs import evolve

from spec.machine import enabled as labels
from spec.rules.management.rejection import METHODS
from spec.rules.tests.worlds import (
    NOTHING_LOST,
    NOW,
    RICH,
    STRANGER,
    USER,
    A,
    B,
    C,
    a_call,
    a_context,
    asked,
    canister,
    contexts,
    fire,
    from_canister,
    is_refused,
    managing,
    module,
    refusal,
    traps,
    world,
)
from spec.state.canister import Empty, Running, Stopped, Stopping
from spec.state.message import Between, ResponseMessage
from spec.state.origin import Deadline
from spec.transition import Minted, MintReason, Step
from spec.values import management
from spec.values.containers import Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

DONE = Reply(management.EMPTY_RESULT)
ABOUT_A = management.CanisterIdArguments(A)
REJECTION = "management_call_rejection"


@pytest.mark.checklist("rule.mgmt.deposit-cycles", "mgmt.deposit-cycles", "mgmt-general.cycles-attached")
def test_anybody_may_add_the_cycles_of_a_call_to_a_balance():
    managed = canister(A, status=Stopped())
    state = managing((A, managed), call=asked(ABOUT_A, "deposit_cycles", STRANGER))
    fired = fire(state, "deposit_cycles", message_id=0)
    response = ResponseMessage(state.messages[0].origin, DONE, 0)
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(A, evolve(managed, balance=RICH + 1_000_000)),
            messages=Queue(((1, response),), 2),
        ),
        burned=(NOTHING_LOST,),
    )


@pytest.mark.checklist("rule.mgmt.raw-rand", "mgmt.raw-rand", "unspec.value.raw-rand")
def test_random_bytes_are_any_32_bytes():
    state = managing(call=asked(management.RawRandArguments()))
    fired = fire(state, "raw_rand", message_id=0, randomness=bytes(range(32)))
    reply = Reply(management.encode_blob_result(bytes(range(32))))
    response = ResponseMessage(state.messages[0].origin, reply, 1_000_000)
    assert fired == Step(evolve(state, messages=Queue(((1, response),), 2)))
    for length in (31, 33):
        because = "there are 32 random bytes"
        assert is_refused(state, "raw_rand", because, message_id=0, randomness=bytes(length))


@pytest.mark.checklist("rule.mgmt.raw-rand")
def test_random_bytes_need_an_argument_that_decodes():
    found = refusal(managing(call=asked(b"rubbish", "raw_rand")), "raw_rand", message_id=0, randomness=bytes(32))
    assert found.reject == system_reject(RejectCode.CANISTER_REJECT, RejectReason.INVALID_ARGUMENT)


@pytest.mark.checklist(
    "rule.mgmt.provisional-top-up",
    "mgmt.provisional-top-up-canister",
    "mgmt-general.provisional",
    "prod.ee_tests.can_refund_cycles_after_successful_provisional_topup_canister",
)
def test_anybody_may_top_a_canister_up_out_of_nothing():
    managed = canister(A)
    state = managing((A, managed), call=asked(management.ProvisionalTopUpArguments(A, 77), caller=STRANGER))
    fired = fire(state, "provisional_top_up_canister", message_id=0)
    response = ResponseMessage(state.messages[0].origin, DONE, 1_000_000)
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(A, evolve(managed, balance=RICH + 77)),
            messages=Queue(((1, response),), 2),
        ),
        minted=(Minted(77, MintReason.PROVISIONAL),),
        burned=(NOTHING_LOST,),
    )


CALLS = {
    "canister_status": ABOUT_A,
    "create_canister": management.CreateCanisterArguments(),
    "delete_canister": ABOUT_A,
    "deposit_cycles": ABOUT_A,
    "install_code": management.InstallCodeArguments(management.InstallMode(), A, b"no module"),
    "provisional_create_canister_with_cycles": management.ProvisionalCreateArguments(specified_id=C),
    "provisional_top_up_canister": management.ProvisionalTopUpArguments(A, 1),
    "raw_rand": management.RawRandArguments(),
    "start_canister": ABOUT_A,
    "stop_canister": ABOUT_A,
    "uninstall_code": management.UninstallCodeArguments(A),
    "update_settings": management.UpdateSettingsArguments(A, management.SettingsArguments()),
}
"""A call to each method that is built."""


@pytest.mark.checklist(
    "mgmt-general.candid-interface", "unspec.error.management-conditions", "inv.prop-07-single-response"
)
@pytest.mark.parametrize("method_name", CALLS)
@pytest.mark.parametrize("managed", [None, Running(), Stopping(), Stopped()])
@pytest.mark.parametrize("caller", [USER, STRANGER])
@pytest.mark.parametrize("argument", ["right", "rubbish"])
def test_every_management_call_is_answered_by_exactly_one_rule(method_name, managed, caller, argument):
    given = CALLS[method_name] if argument == "right" else b"rubbish"
    others = [] if managed is None else [(A, canister(A, status=managed))]
    state = managing(*others, call=asked(given, method_name, caller))
    rules = {rule.name for rule in METHODS[method_name]} | {REJECTION}
    enabled = {label.rule for label in labels(state)} & rules
    assert len(enabled) == 1, enabled


@pytest.mark.checklist(
    "unspec.error.management-conditions",
    "mgmt-general.candid-interface",
    "unspec.fn.candid-decoding",
    "unspec.error.incomplete",
)
@pytest.mark.parametrize(
    ("method_name", "argument", "caller", "code", "reason"),
    [
        ("no_such_method", b"", USER, 5, RejectReason.MANAGEMENT_METHOD_NOT_FOUND),
        ("start_canister", b"rubbish", USER, 4, RejectReason.INVALID_ARGUMENT),
        ("start_canister", management.CanisterIdArguments(B), USER, 3, RejectReason.CANISTER_NOT_FOUND),
        ("start_canister", ABOUT_A, STRANGER, 5, RejectReason.NOT_AUTHORIZED),
        ("delete_canister", ABOUT_A, USER, 5, RejectReason.CANISTER_NOT_STOPPED),
        ("deposit_cycles", management.CanisterIdArguments(B), USER, 3, RejectReason.CANISTER_NOT_FOUND),
        ("create_canister", management.CreateCanisterArguments(), USER, 4, RejectReason.INSUFFICIENT_CYCLES_ATTACHED),
        (
            "provisional_create_canister_with_cycles",
            management.ProvisionalCreateArguments(specified_id=C),
            USER,
            5,
            RejectReason.CANISTER_ID_TAKEN,
        ),
        ("install_code", CALLS["install_code"], USER, 5, RejectReason.CANISTER_NOT_EMPTY),
    ],
)
def test_a_management_call_that_fails_is_rejected_with_the_first_reason_and_a_full_refund(
    method_name, argument, caller, code, reason
):
    state = managing((A, canister(A)), call=asked(argument, method_name, caller))
    fired = fire(state, REJECTION, message_id=0, code=RejectCode(code))
    response = ResponseMessage(state.messages[0].origin, system_reject(RejectCode(code), reason), 1_000_000)
    assert fired == Step(evolve(state, messages=Queue(((1, response),), 2)))


@pytest.mark.checklist("unspec.error.management-conditions", "inv.sys-unknown-only-bounded-wait")
@pytest.mark.parametrize("code", RejectCode)
def test_the_code_with_which_a_management_call_is_rejected_may_be_any_but_sys_unknown_is_for_bounded_waits(code):
    state = managing((A, canister(A)), call=asked(ABOUT_A, "start_canister", STRANGER))
    bounded = managing((A, canister(A)), call=evolve(state.messages[0], origin=from_canister(deadline=Deadline(NOW))))
    for each in (state, bounded):
        if code is RejectCode.SYS_UNKNOWN and each is state:
            because = "only the caller of a bounded-wait call may see SYS_UNKNOWN"
            assert is_refused(each, REJECTION, because, message_id=0, code=code)
        else:
            fired = fire(each, REJECTION, message_id=0, code=code)
            assert fired.state.messages[1].response == system_reject(code, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "inv.atomic.install-code", "inv.atomic.upgrade")
@pytest.mark.parametrize(
    ("mode", "hook"), [(management.InstallMode(), "init"), (management.UpgradeMode(), "post_upgrade")]
)
def test_an_installation_whose_hook_traps_is_rejected_and_changes_and_costs_nothing(mode, hook):
    raw_module = module(gives={hook: traps(message="ouch")})
    managed = canister(A, Empty() if hook == "init" else None)
    arguments = management.InstallCodeArguments(mode, A, raw_module)
    state = managing((A, managed), call=asked(arguments))
    fired = fire(state, REJECTION, message_id=0, code=RejectCode.CANISTER_ERROR)
    reject = Reject(RejectCode.CANISTER_ERROR, "the canister trapped: ouch", RejectReason.CANISTER_TRAPPED)
    response = ResponseMessage(state.messages[0].origin, reject, 1_000_000)
    assert fired == Step(evolve(state, messages=Queue(((1, response),), 2)))


@pytest.mark.checklist("def.message-eligibility", "inv.prop-03-fifo-per-pair")
def test_management_calls_wait_for_older_ones_of_the_same_caller():
    call = asked(ABOUT_A, "start_canister", C, queue=Between(C, MANAGEMENT_CANISTER))
    state = world((A, canister(A)), (C, canister(C)), messages=(call, call), call_contexts=contexts(a_context(C)))
    for rule, choices in (("start_canister", {}), (REJECTION, {"code": RejectCode.CANISTER_ERROR})):
        assert is_refused(state, rule, "no older call of the same queue waits", message_id=1, **choices)


def test_management_rules_take_only_calls_to_their_method():
    elsewhere = managing((A, canister(A)), call=a_call(callee=A, method_name="start_canister"))
    for rule, choices in (("start_canister", {}), (REJECTION, {"code": RejectCode.CANISTER_ERROR})):
        assert is_refused(elsewhere, rule, "the callee is the management canister", message_id=0, **choices)
    other = managing((A, canister(A)), call=asked(ABOUT_A, "stop_canister"))
    assert is_refused(other, "start_canister", "the call is to this method", message_id=0)
