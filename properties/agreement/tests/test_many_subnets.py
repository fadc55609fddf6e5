"""Both engines decide alike what subnets do to each other, while every limit of streams is reached."""

from collections.abc import Callable

import pytest

from properties.agreement.lockstep import Disagreement
from properties.agreement.many_subnets import play_subnets
from reference_impl.rounds.production import bounded_calls, conductor, letters, management
from reference_impl.subnet.streams import Correspondence, Limit, Outgoing
from spec.values.rejects import RejectReason

QUICK = (0, 1, 2)
"""Worlds of the quick suite."""
WORLDS = range(20)
"""Those in which planted mistakes are looked for; the first ones have most of them."""
MANY = range(40)
"""With 50 rounds each, two thousand rounds."""


@pytest.mark.checklist(
    "seed1.xnet-queues", "seed1.xnet-certified", "seed1.xnet-verification", "seed1.new-messages", "seed1.top-layer"
)
def test_they_agree_on_rounds_of_three_subnets_and_on_every_slice_between_them() -> None:
    tally = play_subnets(QUICK, rounds=30)
    print(tally.table())
    assert tally.rounds == 90
    assert tally.crossed["messages that were taken in"] > 40
    assert tally.crossed["calls that were not taken in"] > 5
    assert tally.crossed["makers that were told that nothing is known"] > 5
    assert tally.crossed["responses that came too late"] > 0
    assert tally.crossed["calls to the management canister that were taken in"] > 0


Plant = Callable[[pytest.MonkeyPatch], None]


def senders_do_not_take_turns(patch: pytest.MonkeyPatch) -> None:
    """The queues of a sender are taken from the last receiver on."""
    leaving = letters._leaving
    patch.setattr(letters, "_leaving", lambda one: type(leaving(one))(reversed(leaving(one).items())))


def streams_take_one_more(patch: pytest.MonkeyPatch) -> None:
    """A limit counts too few messages."""
    limit = letters._limit

    def later(correspondence: Correspondence, outgoing: Outgoing, is_system: bool) -> Limit | None:
        found = limit(correspondence, outgoing, is_system)
        return None if found is Limit.BYTES and len(outgoing.letters) < 3 else found

    patch.setattr(letters, "_limit", later)


def signals_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A call that was not taken in is signed as if it was."""
    sign = Outgoing.sign
    patch.setattr(Outgoing, "sign", lambda self, why=None: sign(self))


def refusals_tell_another_reason(patch: pytest.MonkeyPatch) -> None:
    """The answer that a signal stands for says something else."""
    answers = {why: (answer[0], RejectReason.CANISTER_TRAPPED) for why, answer in letters.ANSWERS.items()}
    patch.setattr(letters, "ANSWERS", answers)


def stopped_canisters_take_calls_in(patch: pytest.MonkeyPatch) -> None:
    """Nothing keeps a call from being taken in."""
    patch.setattr(letters, "_obstacle", lambda *_: None)


def deadlines_do_not_cross(patch: pytest.MonkeyPatch) -> None:
    """The callee does not see until when its caller waits."""
    patch.setattr(letters, "seconds_of", lambda _: 0)


def makers_are_told_late(patch: pytest.MonkeyPatch) -> None:
    """Who waits with bound waits too long."""
    is_before = bounded_calls._is_before
    patch.setattr(bounded_calls, "_is_before", lambda origin, second: is_before(origin, second - 5 * 10**9))


def refunds_are_lost(patch: pytest.MonkeyPatch) -> None:
    """The cycles of what is dropped do not go back."""
    patch.setattr(bounded_calls, "send_refunds", lambda *_: None)
    patch.setattr(letters, "send_refunds", lambda *_: None)


def late_answers_keep_their_cycles(patch: pytest.MonkeyPatch) -> None:
    """What comes too late is dropped with its cycles."""
    answer_late = letters.answer_late
    patch.setattr(letters, "answer_late", lambda *given: answer_late(*given[:4], 0, given[5]))


def management_calls_stay_at_home(patch: pytest.MonkeyPatch) -> None:
    """The own management canister answers for canisters of other subnets."""
    for module in (conductor, letters):
        patch.setattr(module, "address_of_call", lambda _, call: call.callee)


def management_calls_do_not_wait_for_each_other(patch: pytest.MonkeyPatch) -> None:
    """A canister asks management canisters of several subnets at a time."""
    patch.setattr(letters, "_may_leave", lambda *_: True)
    patch.setattr(management, "_asks_elsewhere", lambda *_: False)


@pytest.mark.parametrize(
    "plant",
    [
        senders_do_not_take_turns,
        streams_take_one_more,
        signals_are_forgotten,
        refusals_tell_another_reason,
        stopped_canisters_take_calls_in,
        deadlines_do_not_cross,
        makers_are_told_late,
        refunds_are_lost,
        late_answers_keep_their_cycles,
        management_calls_stay_at_home,
        management_calls_do_not_wait_for_each_other,
    ],
)
def test_a_planted_mistake_in_the_streams_of_the_reference_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(Disagreement, match="round"):
        play_subnets(WORLDS, rounds=30)


@pytest.mark.deep
def test_they_agree_on_two_thousand_rounds_of_three_subnets() -> None:
    tally = play_subnets(MANY, rounds=50)
    print(tally.table())
    assert tally.rounds == 2_000
    assert tally.unreached == []
