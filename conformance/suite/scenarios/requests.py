"""Requests of users: which are taken in, and what becomes of them."""

from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    append_to_slot,
    call,
    concat,
    equal,
    equal_bytes,
    ignore,
    memory_grow,
    program,
    reject,
    reply,
    set_inspect_message,
    slot,
    when,
)
from conformance.judging.patterns import fails, is_forgotten, refuses, rejects_with, replies, replies_with
from conformance.protocol.interface import Refused, Values
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import freeze, scripted, stop
from conformance.suite.stage import Stage
from spec.state.request import SenderInfo
from spec.values import management
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, CanisterId, Principal
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectReason

NOBODY = CanisterId(Principal(bytes.fromhex("00000000000fffff0101")))
"""An id that no canister has."""


@scenario(
    "A canister answers update calls, keeps what it was told, and sees its caller",
    covers=(
        "rule.submit-call.regular-canister",
        "rule.initiate-call",
        "rule.call-context-creation.public-method",
        "rule.message-execution.update-method",
        "rule.message-execution.commit-effects",
        "rule.respond-to-user",
        "rule.call-context-removal",
        "api.msg-caller-copy",
        "seed2.persisted-between-messages",
    ),
)
def a_canister_answers(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.expect(stage.call(canister, program(append_to_slot(0, b"kept"), reply())), replies_with(b""))
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"kept"))
    stage.expect(stage.call(canister, program(reply(ic0.msg_caller()))), replies_with(ALICE))


@scenario("The anonymous user may call canisters", covers=("rule.submit-call.regular-canister",))
def anonymous_calls(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(reply(ic0.msg_caller())), sender=ANONYMOUS)
    # Then
    stage.expect(answer, replies_with(ANONYMOUS))


@scenario(
    "A canister's own reject reaches the user with its text",
    covers=(
        "api.msg-reject",
        "inv.reject-code-fixed-by-protocol",
        "rule.respond-to-user",
        "prod.ee_tests.ingress_can_reject",
    ),
)
def own_reject(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(append_to_slot(0, b"kept"), reject(b"not today")))
    # Then
    stage.expect(answer, rejects_with("not today"))
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"kept"))


@scenario(
    "A call to a method that the canister lacks is rejected",
    covers=("error.method-not-found", "rule.message-execution.update-method"),
)
def unknown_method(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, b"", "no_such_method")
    # Then
    stage.expect(answer, fails(RejectReason.METHOD_NOT_FOUND))


@scenario("A request to a canister that does not exist is refused", covers=("rule.submit-call.regular-canister",))
def missing_canister(stage: Stage) -> None:
    # When
    sent = stage.send(NOBODY, "update", program(reply()))
    # Then
    stage.expect(stage.answer(sent), refuses(RejectReason.CANISTER_NOT_FOUND))


@scenario(
    "A request to a canister without code is refused",
    covers=("rule.submit-call.regular-canister", "error.wasm-module-not-found"),
)
def empty_canister(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    sent = stage.send(canister, "update", program(reply()))
    # Then
    stage.expect(stage.answer(sent), refuses(RejectReason.CANISTER_HAS_NO_CODE))


@scenario("A request to a stopped canister is refused", covers=("rule.submit-call.regular-canister",))
def stopped_canister(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stop(stage, canister)
    # When
    sent = stage.send(canister, "update", program(reply()))
    # Then
    stage.expect(stage.answer(sent), refuses())


@scenario(
    "A request to a frozen canister is refused",
    covers=("rule.submit-call.regular-canister", "def.liquid-balance", "def.freezing-limit"),
)
def frozen_canister(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    freeze(stage, canister)
    # When
    sent = stage.send(canister, "update", program(reply()))
    # Then
    stage.expect(stage.answer(sent), refuses(RejectReason.CANISTER_FROZEN))


@scenario("An expired request is refused", covers=("rule.submit-call.canister-endpoint",))
def expired_request(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.settle(seconds=10)
    # When
    sent = stage.send(canister, "update", program(reply()), ingress_expiry=stage.now - NANOSECONDS_PER_SECOND)
    # Then
    stage.expect(stage.answer(sent), refuses(RejectReason.REQUEST_EXPIRED))


@scenario(
    "A request at the endpoint of another canister is refused",
    covers=("rule.submit-call.canister-endpoint", "def.effective-canister-id"),
)
def wrong_endpoint(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    # When
    sent = stage.send(canister, "update", program(reply()), effective_id=other)
    # Then
    stage.expect(stage.answer(sent), refuses())


@scenario(
    "The same request cannot take effect twice",
    covers=("inv.ingress.no-replay", "rule.submit-call.canister-endpoint"),
)
def no_replay(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(append_to_slot(0, b"once"), reply()))
    stage.settle()
    # When
    again = stage.resend(sent.request, canister)
    stage.settle()
    # Then
    stage.expect(stage.answer(again), refuses() | replies() | is_forgotten())
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"once"))


@scenario(
    "A request that differs only in its nonce takes effect again",
    covers=("inv.ingress.no-replay", "rule.submit-call.canister-endpoint"),
)
def another_nonce(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(append_to_slot(0, b"twice "), reply()))
    stage.settle()
    # When
    stage.resend(evolve(sent.request, nonce=b"another nonce"), canister)
    stage.settle()
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"twice twice "))


@scenario(
    "The nonces of requests and of queries have at most 32 bytes",
    covers=("http.nonce", "rule.submit-call.canister-endpoint", "rule.query.submission"),
)
def longest_nonce(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(append_to_slot(0, b"again "), reply()))
    stage.settle()
    # When
    longest = stage.resend(evolve(sent.request, nonce=bytes(32)), canister)
    too_long = stage.resend(evolve(sent.request, nonce=bytes(33)), canister)
    stage.settle()
    # Then
    stage.expect(stage.answer(longest), replies())
    stage.expect(stage.answer(too_long), refuses())
    tell = program(reply(slot(0)))
    stage.expect(stage.query(canister, tell, nonce=b"n" * 32), replies_with(b"again again "))
    stage.expect(stage.query(canister, tell, nonce=b"n" * 33), refuses())


@scenario(
    "An answer stays the same however often it is read, until it is forgotten",
    covers=("inv.ingress.status-monotone", "inv.prop-07-single-response", "inv.reads-do-not-change-state"),
)
def answers_stay(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(reply(b"the answer")))
    stage.settle()
    # When
    stage.call(canister, program(reply(b"another answer")))
    # Then
    stage.expect(stage.ask_again(sent), replies_with(b"the answer") | is_forgotten())
    stage.settle(seconds=1)
    stage.expect(stage.ask_again(sent), replies_with(b"the answer") | is_forgotten())


@scenario(
    "A canister that inspects messages decides which requests are taken in",
    covers=(
        "entry.inspect-message",
        "api.accept-message",
        "api.msg-method-name-copy",
        "rule.submit-call.regular-canister",
        "prod.ee_tests.inspect_caller",
    ),
)
def inspection(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    check = program(when(equal_bytes(ic0.msg_caller(), BOB), ic0.accept_message()))
    stage.expect(stage.call(canister, program(set_inspect_message(check), reply())), replies())
    # When
    of_alice = stage.send(canister, "update", program(reply()))
    of_bob = stage.send(canister, "update", program(reply(b"welcome")), sender=BOB)
    stage.settle()
    # Then
    stage.expect(stage.answer(of_alice), refuses())
    stage.expect(stage.answer(of_bob), replies_with(b"welcome"))


@scenario(
    "Code is told what a canister vouches for of the user who calls, and which one; those it calls are not",
    covers=(
        "api.msg-caller-info-data-size",
        "api.msg-caller-info-data-copy",
        "api.msg-caller-info-signer-size",
        "api.msg-caller-info-signer-copy",
        "rule.submit-call.regular-canister",
    ),
)
def vouched_for(stage: Stage) -> None:
    # Given
    canister, callee = scripted(stage), scripted(stage)
    told = concat(ic0.msg_caller_info_data(), b" by ", ic0.msg_caller_info_signer())
    check = program(when(equal_bytes(ic0.msg_caller_info_data(), b"a member"), ic0.accept_message()))
    stage.expect(stage.call(canister, program(set_inspect_message(check), reply())), replies())
    answering = program(reply(concat(slot(0), b", ", ic0.msg_arg_data(), b", ", told)))
    onward = program(append_to_slot(0, told), call(callee, "update", program(reply(told)), on_reply=answering))
    # When
    of_guest = stage.send(canister, "update", onward, sender_info=SenderInfo(b"a guest", callee, b"signature"))
    of_member = stage.send(canister, "update", onward, sender_info=SenderInfo(b"a member", callee, b"signature"))
    stage.settle()
    stage.resend(evolve(of_member.request, sender_info=SenderInfo(b"a member", callee, b"other")), canister)
    stage.settle()
    # Then
    by_callee = b"a member by " + callee
    stage.expect(stage.answer(of_guest), refuses())
    stage.expect(stage.answer(of_member), replies_with(b", ".join((by_callee, b" by ", by_callee))))
    twice = program(when(equal_bytes(slot(0), by_callee + by_callee), reply(b"twice")))
    asked = stage.send(canister, "update", twice, sender_info=SenderInfo(b"a member", callee, b"signature"))
    stage.settle()
    stage.expect(stage.answer(asked), replies_with(b"twice"))


@scenario(
    "A canister that traps where it inspects a message does not get it",
    covers=("entry.inspect-message", "rule.submit-call.regular-canister", "unspec.value.error-codes"),
)
def inspection_traps(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    check = program(when(equal_bytes(ic0.msg_caller(), ALICE), ic0.trap(b"no")), ic0.accept_message())
    stage.expect(stage.call(canister, program(set_inspect_message(check), reply())), replies())
    # When
    of_alice = stage.send(canister, "update", program(reply()))
    of_bob = stage.send(canister, "update", program(reply(b"welcome")), sender=BOB)
    stage.settle()
    # Then
    stage.expect(stage.answer(of_alice), refuses())
    stage.expect(stage.answer(of_bob), replies_with(b"welcome"))


@scenario(
    "A canister can make more room where it inspects a message, unless the system refuses it",
    covers=("entry.inspect-message", "unspec.fn.stable-grow", "rule.submit-call.regular-canister"),
)
def inspection_grows(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    check = program(ignore(memory_grow(1)), when(equal(ic0.stable64_grow(1), 0), ic0.accept_message()))
    stage.expect(stage.call(canister, program(set_inspect_message(check), reply())), replies())
    # When
    sent = stage.send(canister, "update", program(reply(b"welcome")))
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(b"welcome"))


@scenario(
    "A canister that asks for more room where it inspects a message accepts it, unless the system ends it there",
    covers=("entry.inspect-message", "rule.submit-call.regular-canister"),
)
def inspection_that_may_grow(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    check = program(ignore(memory_grow(1)), ignore(ic0.stable64_grow(1)), ic0.accept_message())
    stage.expect(stage.call(canister, program(set_inspect_message(check), reply())), replies())
    # When
    sent = stage.send(canister, "update", program(reply(b"welcome")))
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(b"welcome"))


@scenario(
    "Requests that are under way together are all answered, in whatever order they run",
    covers=("inv.order.ingress-unordered", "inv.prop-01-atomic-sequential", "rule.initiate-call"),
)
def together(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    sent = [
        stage.send(canister, "update", program(append_to_slot(0, letter), reply(slot(0))))
        for letter in (b"a", b"b", b"c")
    ]
    stage.settle()
    # Then
    for each in sent:
        stage.expect(stage.answer(each), replies())


@scenario(
    "Only controllers may manage a canister by requests",
    covers=(
        "rule.submit-call.mgmt-controller-methods",
        "rule.submit-call.mgmt-admin-methods",
        "seed2.controllers-only",
    ),
)
def not_a_controller(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    about = management.CanisterIdArguments(canister)
    # When
    refusals = [stage.send_managed(method, about, canister, EVE) for method in ("stop_canister", "start_canister")]
    refusals.append(stage.send_managed("uninstall_code", management.UninstallCodeArguments(canister), canister, EVE))
    refusals.append(stage.send_managed("delete_canister", about, canister, EVE))
    reinstall = management.InstallCodeArguments(management.ReinstallMode(), canister, load("scripted"))
    refusals.append(stage.send_managed("install_code", reinstall, canister, EVE))
    # Then
    for sent in refusals:
        stage.expect(stage.answer(sent), refuses())
    stage.expect(stage.call(canister, program(reply(b"still here"))), replies_with(b"still here"))


@scenario(
    "Requests for management methods that are for canisters only are refused",
    covers=("mgmt.raw-rand", "mgmt.deposit-cycles", "rule.submit-call.canister-endpoint"),
)
def methods_for_canisters(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    random = stage.send_managed("raw_rand", management.RawRandArguments(), canister)
    deposit = stage.send_managed("deposit_cycles", management.CanisterIdArguments(canister), canister)
    unknown = stage.send_managed("no_such_method", b"DIDL\x00\x00", canister)
    # Then
    for sent in (random, deposit, unknown):
        stage.expect(stage.answer(sent), refuses())


@scenario(
    "A management request with an argument that is not Candid is refused",
    covers=("mgmt-general.candid-interface", "rule.submit-call.mgmt-controller-methods"),
)
def wrong_candid(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    sent = [
        stage.send_managed("install_code", argument, canister)
        for argument in (b"", b"DIDL", b"no Candid", b"DIDL\x00\x01\x71\x03abc")
    ]
    # Then
    for each in sent:
        stage.expect(stage.answer(each), refuses())


@scenario(
    "The certified state shows a canister's controllers and module hash, and the status of one's own requests",
    covers=("rule.read-state.may-read-canister", "def.state-tree", "def.request-status-tree"),
)
def read_state(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(reply(b"read me")))
    stage.settle()
    assert sent.request_id is not None
    status = (b"request_status", sent.request_id)
    # When
    own = stage.read(canister, [(*status, b"status"), (*status, b"reply")])
    about_canister = stage.read(
        canister, [(b"time",), (b"canister", canister, b"module_hash"), (b"canister", canister, b"controllers")]
    )
    foreign = stage.read(canister, [(*status, b"status")], sender=EVE)
    # Then
    stage.require(own == Values((b"replied", b"read me")), "the reply can be read")
    stage.require(
        isinstance(about_canister, Values) and all(about_canister.values), "the canister's values can be read"
    )
    stage.require(isinstance(foreign, Refused), "others may not read it")
    stage.require(canister != MANAGEMENT_CANISTER, "a canister was created")
