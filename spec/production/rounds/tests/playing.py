"""Rounds played on small worlds; every label of theirs is replayed with `step`, and has to lead to the same state."""

from typing import Any

from attrs import evolve, frozen

from spec.machine import run
from spec.production.rounds import Batch, Ingress, Round, RoundState, execute_round
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import NOW, PROFILE, a_request, canister, code, module, returns, world
from spec.state.request import Request
from spec.state.state import State
from spec.values.identifiers import Principal

SECOND = 10**9
SLICE = PROFILE.rounds.slice_instructions
ROUND = PROFILE.rounds.round_instructions


@frozen
class Played:
    """A world after some rounds."""

    state: State
    rounds: RoundState = RoundState()
    done: tuple[Round, ...] = ()

    def rules(self, number: int = -1) -> list[str]:
        """The rules of one round, without clocks."""
        return [label.rule for label in self.done[number].labels if "time_progress" not in label.rule]

    def status(self, request: Request) -> Any:
        """The status of a request; None if it is not known."""
        request_id = request_id_of(request)
        return self.state.requests[request_id].status if request_id in self.state.requests else None

    def record(self, canister_id: Principal) -> Any:
        """What is remembered of a canister."""
        return self.rounds.records[canister_id]

    def round(self, *ingress: Ingress, seconds: int = 1, **batch: Any) -> "Played":
        """After another round, so many seconds later."""
        given = Batch(self.state.system_time + seconds * SECOND, ingress, **batch)
        state, rounds, done = execute_round(self.state, self.rounds, given)
        assert execute_round(self.state, self.rounds, given) == (state, rounds, done)
        replayed = run(self.state, done.labels)
        assert (replayed.stopped, replayed.taken) == (None, len(done.labels))
        assert (replayed.state, replayed.outputs) == (state, done.outputs)
        assert all(used <= state.profile.rounds.round_instructions for used in done.cores)
        return Played(state, rounds, (*self.done, done))

    def idle(self, count: int) -> "Played":
        """After so many rounds without requests."""
        played = self
        for _ in range(count):
            played = played.round()
        return played


def with_figures(state: State, **figures: int) -> State:
    """The world with other figures of rounds."""
    profile = evolve(state.profile, rounds=evolve(state.profile.rounds, **figures))
    return evolve(state, profile=profile)


def doing(canister_id: Principal, *, settings: Any = None, **gives: Any) -> tuple[Principal, Any]:
    """A canister whose methods give these outcomes; `go` is an update method, other names are entry points."""
    named = {"update go" if name == "go" else name: outcome for name, outcome in gives.items()}
    return canister_id, canister(canister_id, code(canister_id, module(gives=named)), **(settings or {}))


def asking(canister_id: Principal, nonce: int = 0, method_name: str = "go", **changes: Any) -> Ingress:
    """A request in a block, with a number of its own."""
    request = a_request(canister_id, method_name, nonce=nonce.to_bytes(4, "big"), **changes)
    return Ingress(request, canister_id)


def busy(*ids: Principal, instructions: int = 1_000) -> Played:
    """Canisters whose method `go` takes so many instructions."""
    return Played(world(*(doing(one, go=returns(instructions)) for one in ids)))


__all__ = ["NOW", "Played", "asking", "busy", "doing", "with_figures"]
