"""
Implementations that do things in another order, at other times or under other names.

Each is the specification with one thing changed, judged as a black box: right ones, and partners that go beyond.
"""

import random

from attrs import evolve

from conformance.judging.moves import MOST_HEARTBEATS, Bindings, Move, by_itself, expiries, refunds, work
from conformance.protocol.interface import Answer, Replied
from conformance.served.randomness import drawn
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.machine import candidates, choices_of, enabled, step
from spec.state.canister import Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage
from spec.state.state import State
from spec.transition import RULES, Step
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import CanisterId, Principal, RequestId, SnapshotId
from spec.values.rejects import Reply


def with_random_bytes(state: State, move: Move) -> Move:
    """The move; bytes that are random are drawn, so that no two calls get the same."""
    label = drawn(state, move[0])
    fired = move[1] if label == move[0] else step(state, label)
    assert isinstance(fired, Step)
    return label, fired


# Orders


class Postpones(BlackBox):
    """Some transitions come only when nothing else can be taken."""

    rules: tuple[str, ...]

    def next(self) -> Move | None:
        moves = [
            (label, fired)
            for label in enabled(self.current)
            if label.rule != "heartbeat_context_creation" and isinstance(fired := step(self.current, label), Step)
        ]
        prompt = [move for move in moves if move[0].rule not in self.rules]
        return with_random_bytes(self.current, [*prompt, *moves][0]) if moves else None


class StopsLate(Postpones):
    rules = ("stop_completion",)


class CleansUpLate(Postpones):
    rules = ("call_context_removal", "call_context_starvation", "callback_of_deleted_context")


class AnswersUsersLate(Postpones):
    rules = ("respond_to_user", "callback_invocation")


class RunsTimersLate(Postpones):
    rules = ("global_timer_context_creation", "on_low_wasm_memory_context_creation")


class BeginsOneRequestAfterTheOther(Postpones):
    rules = ("initiate_call",)


class StopsAtOnce(BlackBox):
    """A canister that is asked to stop has stopped, whatever it still waits for."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for canister_id, canister in state.canisters.items():
            if label.rule == "stop_running_canister" and isinstance(canister.status, Stopping):
                answers = [
                    ResponseMessage(call.origin, Reply(management.EMPTY_RESULT), call.cycles)
                    for call in canister.status.stop_calls
                ]
                waiting = evolve(canister, status=Stopping(List()))
                state = evolve(
                    state,
                    canisters=state.canisters.set(canister_id, waiting),
                    messages=state.messages.append(*answers),
                )
        return state


class FiresTimersEarly(BlackBox):
    """A timer fires as soon as it is set."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for canister_id, canister in state.canisters.items():
            if canister.global_timer > canister.time:
                early = evolve(canister, global_timer=canister.time)
                state = evolve(state, canisters=state.canisters.set(canister_id, early))
        return state


class BeatsHearts(BlackBox):
    """The heartbeats of all canisters run once whenever the system is advanced."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten: set[CanisterId] = set()

    def advance(self, rounds: int, nanoseconds: int) -> object:
        self.beaten = set()
        return super().advance(rounds, nanoseconds)

    def next(self) -> Move | None:
        waiting = any(isinstance(message, FuncMessage) for message in self.current.messages)
        for label in [] if waiting else candidates(self.current, RULES["heartbeat_context_creation"]):
            fired = step(self.current, label)
            canister_id = label.arguments()["canister_id"]
            if isinstance(fired, Step) and canister_id not in self.beaten:
                self.beaten.add(canister_id)
                return label, fired
        return super().next()


class BeatsHeartsTwice(BeatsHearts):
    """They run twice."""

    times = 2

    def advance(self, rounds: int, nanoseconds: int) -> object:
        self.left = self.times - 1
        return super().advance(rounds, nanoseconds)

    def next(self) -> Move | None:
        move = super().next()
        if move is None and self.left:
            self.left, self.beaten = self.left - 1, set()
            move = super().next()
        return move


class BeatsHeartsOften(BeatsHeartsTwice):
    """They run seven times."""

    times = 7


class BeatsHeartsInEveryRound(BeatsHeartsTwice):
    """They run as often as rounds are asked for at a time."""

    times = MOST_HEARTBEATS


class CutsBeatsShort(BeatsHeartsOften):
    """Of what heartbeats wrote the last byte is not told."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        beats = isinstance(answer, Replied) and answer.data.startswith(b"beat ")
        return Replied(answer.data[:-1]) if beats else answer


class RepeatsTimers(BlackBox):
    """A timer that fired stays set."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated = False

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule == "global_timer_context_creation" and not self.repeated:
            self.repeated = True
            canister_id = label.arguments()["canister_id"]
            canister = evolve(
                state.canisters[canister_id], global_timer=self.current.canisters[canister_id].global_timer
            )
            return evolve(state, canisters=state.canisters.set(canister_id, canister))
        return state


class ExpiresCalls(BlackBox):
    """Calls expire as soon as their deadlines have come."""

    def next(self) -> Move | None:
        if not any(isinstance(message, FuncMessage) for message in self.current.messages):
            for label, fired in by_itself(self.current):
                if label.rule.startswith("call_expiry"):
                    return label, fired
        return super().next()


class ExpiresOneCallEarly(BlackBox):
    """The first call with a deadline expires at once."""

    def __init__(self) -> None:
        super().__init__()
        self.has_expired = False

    def next(self) -> Move | None:
        if not self.has_expired and not any(isinstance(each, FuncMessage) for each in self.current.messages):
            for label in expiries(self.current):
                fired = step(self.current, label)
                if isinstance(fired, Step):
                    self.has_expired = True
                    return label, fired
        return super().next()


class RefundsExpiredCalls(ExpiresCalls):
    """The cycles of a call that expired come back."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "call_expiry_of_message":
            return state
        message = self.current.messages[label.arguments()["message_id"]]
        if not isinstance(message, CallMessage):
            return state
        message_id, response = state.messages.entries[-1]
        changed = evolve(response, refunded_cycles=message.transferred_cycles)
        return evolve(state, messages=state.messages.replace(message_id, changed))


class GivesLateCyclesBack(ExpiresCalls):
    """What comes for an expired call is dropped, and its cycles go to whoever made the call."""

    def next(self) -> Move | None:
        return next(refunds(self.current), None) or super().next()


class GivesLateCyclesBackTwice(GivesLateCyclesBack):
    """Whoever made an expired call gets more than comes back."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "drop_expired_message":
            return state
        twice = [
            (canister_id, evolve(after, balance=2 * after.balance - self.current.canisters[canister_id].balance))
            for canister_id, after in state.canisters.items()
        ]
        return evolve(state, canisters=Map.of(twice))


# Ids


class CountsCanistersOtherwise(Chooses):
    """Ids of canisters are numbered in steps of seven, from the end of a range."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 2**20

    def id(self) -> CanisterId:
        """The next id."""
        self.number += 7
        return CanisterId(Principal(self.number.to_bytes(8, "big") + b"\x01\x01"))

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule not in ("create_canister", "provisional_create_canister_with_cycles"):
            return None
        return with_choices(label, canister_id=self.id())


class UsesIdsOfUsers(CountsCanistersOtherwise):
    """Ids of canisters are such as users have."""

    def next(self) -> Move | None:
        move = BlackBox.next(self)
        if move is None or move[0].rule not in ("create_canister", "provisional_create_canister_with_cycles"):
            return move
        label, fired = move
        made = label.arguments()["canister_id"]
        self.number += 1
        wrong = CanisterId(Principal(self.number.to_bytes(28, "big") + b"\x02"))
        renamed = evolve(
            fired.state,
            canisters=fired.state.canisters.remove(made).set(wrong, fired.state.canisters[made]),
            messages=renamed_result(fired.state, wrong),
        )
        return label, evolve(fired, state=renamed)


def renamed_result(state: State, canister_id: CanisterId) -> object:
    """The messages, with another id in the last response."""
    message_id, message = state.messages.entries[-1]
    response = evolve(message.response, data=management.encode_canister_id_result(canister_id))
    return state.messages.replace(message_id, evolve(message, response=response))


class UsesIdsAgain(Chooses):
    """A new canister gets the id of one that was deleted."""

    def other(self, label: Label, fired: Step) -> Label | None:
        deleted = list(self.current.deleted_canisters)
        if label.rule != "provisional_create_canister_with_cycles" or not deleted:
            return None
        self._state = evolve(self.current, deleted_canisters=List())
        return with_choices(label, canister_id=deleted[-1])


class NamesSnapshotsOtherwise(Chooses):
    """Snapshots have long ids that count down."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 2**64

    def other(self, label: Label, fired: Step) -> Label | None:
        if "snapshot_id" not in choices_of(label):
            return None
        self.number -= 1
        return with_choices(label, snapshot_id=SnapshotId(b"snapshot " + self.number.to_bytes(9, "big")))


class NamesSnapshotsAlike(BlackBox):
    """The id of a deleted snapshot is used again."""

    def taken(self, label: Label, fired: Step) -> State:
        return evolve(fired.state, used_snapshot_ids=List())


class ShufflesBySeed(BlackBox):
    """What waits is taken in a random order."""

    seed = 1

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(self.seed)

    def next(self) -> Move | None:
        if any(isinstance(message, FuncMessage) for message in self.current.messages):
            return super().next()
        moves = list(work(self.current, Bindings()))
        return with_random_bytes(self.current, self.random.choice(moves)) if moves else None


class ShufflesAgain(ShufflesBySeed):
    seed = 2


class ShufflesOnceMore(ShufflesBySeed):
    seed = 3
