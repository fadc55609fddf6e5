"""Environments, patterns and canonical forms."""

from collections.abc import Iterator

import pytest
from attrs import evolve

from conformance.judging.environment import CALM, HOSTILE, environment_named, loaded
from conformance.judging.judge import Terms, first_state
from conformance.judging.moves import bindings_from
from conformance.judging.patterns import (
    agrees,
    denies,
    departures_of,
    is_unanswered,
    refuses,
    rejects,
    rejects_with,
    replies,
    replies_where,
    replies_with,
)
from conformance.judging.searching import Candidate, Others, Search
from conformance.judging.verdicts import Judged
from conformance.protocol.interface import Instance, Processing, Refused, Rejected, Replied, SeenReject
from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure
from spec.profile import load_profile
from spec.state.call_context import CallContext
from spec.state.canonical import canonical_form
from spec.state.message import Between, CallMessage, ResponseMessage
from spec.state.origin import FromCanister, FromUser, NoDeadline
from spec.state.state import State
from spec.values.containers import List, Map
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    CallContextId,
    CanisterId,
    Principal,
    RequestId,
    SnapshotId,
    SubnetId,
)
from spec.values.management import encode_blob_result, encode_canister_id_result
from spec.values.rejects import RejectCode, RejectReason, Reply

ALPHA, BETA = CanisterId(Principal(b"alpha")), CanisterId(Principal(b"beta"))
TRAPPED = Rejected(SeenReject(5, RejectReason.CANISTER_TRAPPED, "text"))


def test_environments_are_read_by_name() -> None:
    """And show how much they admit."""
    assert environment_named("calm") == CALM
    assert environment_named("hostile") == HOSTILE
    assert environment_named("loaded(3)") == loaded(3)
    assert (CALM.admits(1), loaded(1).admits(1), loaded(1).admits(2), HOSTILE.admits(10**6)) == (
        False,
        True,
        False,
        True,
    )
    for bad in ("", "loaded", "loaded(-1)", "loaded(0)", "loaded(00)", "loaded(x)", "Calm"):
        with pytest.raises(ValueError, match="no environment"):
            environment_named(bad)


def test_patterns_admit_what_they_say() -> None:
    """And nothing else."""
    reply = Replied(b"data")
    own = Rejected(SeenReject(4, RejectReason.EXPLICIT, "no"))
    table = {
        replies(): {reply},
        replies_with(b"data"): {reply},
        replies_with(b"other"): set(),
        replies_where("with four bytes", lambda data: len(data) == 4): {reply},
        rejects(RejectCode.CANISTER_ERROR): {TRAPPED},
        rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED): {TRAPPED},
        rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_FROZEN): {TRAPPED},
        rejects(RejectCode.CANISTER_REJECT): set(),
        denies(): {TRAPPED, own, Refused()},
        rejects_with("no"): {own},
        refuses(): {Refused()},
        is_unanswered(): {Processing()},
        replies() | refuses(): {reply, Refused()},
    }
    for pattern, admitted in table.items():
        assert {seen for seen in (reply, TRAPPED, own, Refused(), Processing()) if pattern.admits(seen)} == admitted


def test_a_reply_that_cannot_be_read_is_not_admitted() -> None:
    """A `ValueError` of the reader is no error of the pattern."""
    assert not replies_where("that is a number", lambda data: int(data) > 0).admits(Replied(b"no number"))


def test_codes_are_compared_and_texts_if_they_are_the_canisters_own() -> None:
    """Texts of the system are anybody's, and its reasons are ours. A canister's own reject is not the system's."""
    assert agrees(TRAPPED, Rejected(SeenReject(5, None, "other text")))
    assert agrees(TRAPPED, Rejected(SeenReject(5, RejectReason.CANISTER_FROZEN, "text")))
    assert not agrees(TRAPPED, Rejected(SeenReject(5, RejectReason.EXPLICIT, "text")))
    assert not agrees(TRAPPED, Rejected(SeenReject(4, None, "text")))
    own = Rejected(SeenReject(4, RejectReason.EXPLICIT, "no"))
    assert not agrees(own, Rejected(SeenReject(4, RejectReason.EXPLICIT, "yes")))
    assert not agrees(own, Rejected(SeenReject(4, RejectReason.CODE_UNINSTALLED, "no")))
    assert agrees(own, Rejected(SeenReject(4, None, "no")))


def test_refusals_are_equal_whatever_code_and_reason_they_tell() -> None:
    """The text gives them none; what differs from production is told apart."""
    frozen = Refused(2, RejectReason.CANISTER_FROZEN)
    assert agrees(frozen, Refused(3, RejectReason.NOT_AUTHORIZED))
    assert departures_of(frozen, Refused(3, None)) == (
        "is refused with DESTINATION_INVALID (3); production: SYS_TRANSIENT (2)",
    )
    assert departures_of(frozen, Refused(2, RejectReason.NOT_AUTHORIZED)) == (
        "is refused for the reason NOT_AUTHORIZED; production: CANISTER_FROZEN",
    )
    assert departures_of(frozen, Refused()) == ()


def test_canister_ids_and_random_bytes_are_found_in_replies() -> None:
    """Also if a canister relayed them."""
    replies = [encode_canister_id_result(ALPHA), b"xx" + encode_blob_result(b"r" * 32), b"no Candid"]
    found = bindings_from([*map(Replied, replies), TRAPPED])
    assert found.codes == (RejectCode.CANISTER_ERROR,)
    assert found.canister_ids == (ALPHA,)
    assert found.randomness == (b"r" * 32,)


# Canonical forms


def empty_state() -> State:
    """A state without anything in it."""
    terms = Terms(load_profile(), 13)
    return first_state(terms, Instance(SubnetId(Principal(b"subnet")), b"key", 1))


def test_what_would_have_been_allowed_is_that_of_the_step_that_failed() -> None:
    """Not that of an earlier one, although its other states are looked for only now."""
    judge = Search(Terms(load_profile(), 13), Instance(SubnetId(Principal(b"subnet")), b"key", 1))

    def earlier(candidate: Candidate, others: Others) -> Iterator[Candidate]:
        yield candidate
        others.note(candidate, 1, lambda: "what an earlier step would have allowed")

    def failing(candidate: Candidate, others: Others) -> Iterator[Candidate]:
        others.note(candidate, 1, lambda: "what this step would have allowed")
        yield from ()

    judge._keep(earlier, lambda: "something", lambda _: ())
    with pytest.raises(Judged) as judged:
        judge._keep(failing, lambda: "something else", lambda _: ())
    assert judged.value.verdict.allowed == ("what this step would have allowed",)


def context(canister: CanisterId, origin: object) -> CallContext:
    """An open call context."""
    return CallContext(canister, origin, Caller(), True, False, 0)


def called_by(number: int, closure: int = 0) -> FromCanister:
    """The origin of a call that was made in the context with this id."""
    callback = Callback(Closure(closure, 0), Closure(closure, 0))
    maker = callee = MANAGEMENT_CANISTER
    return FromCanister(CallContextId(number), callback, NoDeadline(), Caller(), callee, maker)


def two_users_contexts(first: int, second: int) -> State:
    """A state in which the calls of two users have contexts with these ids, and the first made a call."""
    contexts = [
        (CallContextId(first), context(ALPHA, FromUser(RequestId(b"1" * 32)))),
        (CallContextId(second), context(BETA, FromUser(RequestId(b"2" * 32)))),
    ]
    state = evolve(empty_state(), call_contexts=Map.of(contexts))
    call = CallMessage(called_by(first), Caller(ALPHA), BETA, "m", b"", 0, Between(ALPHA, BETA))
    return evolve(state, messages=state.messages.append(call))


@pytest.mark.checklist("unspec.fn.abstract-ids")
def test_states_that_differ_in_hidden_ids_have_equal_forms() -> None:
    """Contexts 0 and 1 against 7 and 3."""
    assert two_users_contexts(0, 1) != two_users_contexts(7, 3)
    assert canonical_form(two_users_contexts(0, 1)) == canonical_form(two_users_contexts(7, 3))
    assert hash(canonical_form(two_users_contexts(0, 1))) == hash(canonical_form(two_users_contexts(7, 3)))


def test_who_made_a_call_is_no_hidden_id() -> None:
    """The same messages, made in the context of the other user."""
    state = two_users_contexts(0, 1)
    call = evolve(next(iter(state.messages)), origin=called_by(1))
    other = evolve(state, messages=evolve(state, messages=empty_state().messages.append(call)).messages)
    assert canonical_form(state) != canonical_form(other)


def test_ids_that_may_not_be_used_again_count_their_order_does_not() -> None:
    """Ids of deleted canisters, and of snapshots."""
    state = empty_state()
    ids = [SnapshotId(b"1"), SnapshotId(b"2")]
    used = evolve(state, used_snapshot_ids=List.of(*ids))
    deleted = evolve(state, deleted_canisters=List.of(ALPHA, BETA))
    assert len({canonical_form(one) for one in (state, used, deleted)}) == 3
    assert canonical_form(used) == canonical_form(evolve(used, used_snapshot_ids=List.of(*reversed(ids))))
    assert canonical_form(deleted) == canonical_form(evolve(deleted, deleted_canisters=List.of(BETA, ALPHA)))


def test_the_order_of_responses_does_not_count_that_within_a_queue_does() -> None:
    """Responses are unordered; calls between two canisters are not."""
    state = two_users_contexts(0, 1)
    responses = [ResponseMessage(called_by(0, number), Reply(b""), 0) for number in (1, 2)]
    calls = [
        CallMessage(called_by(0, number), Caller(ALPHA), BETA, "m", b"", 0, Between(ALPHA, BETA)) for number in (1, 2)
    ]

    def form(*messages: object) -> object:
        return canonical_form(evolve(state, messages=state.messages.append(*messages)))

    assert form(*responses) == form(*reversed(responses))
    assert form(*calls) != form(*reversed(calls))
    assert form(responses[0]) != form(responses[0], responses[0])
