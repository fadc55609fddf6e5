"""
Implementations with planted bugs: the specification with one thing broken. Each must get its verdict.

`python -m conformance.tests.planted.bugs NAME` serves one of them.
"""

import os
import random
import sys
import time
from collections.abc import Sequence

from attrs import evolve

from conformance.canisters.scripted import program, trap
from conformance.judging.moves import Bindings, Move, trouble, work
from conformance.protocol.interface import Advanced, Answer, Capability, Rejected, Replied, SeenReject
from conformance.protocol.serving import serve
from conformance.served.specification import SpecificationImplementation
from spec.canister.outcome import Returned
from spec.machine import step
from spec.rules.environments import environment_of
from spec.rules.modules import module_of
from spec.state.canister import Code
from spec.state.label import Label
from spec.state.message import Between, CallMessage, FuncMessage, PublicMethod, ResponseMessage
from spec.state.origin import FromCanister
from spec.state.request import Received
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import RequestId
from spec.values.rejects import RejectCode, RejectReason

LONGEST_TEXT = 64
"""So long are the texts with which programs trap, at most."""


class BlackBox(SpecificationImplementation):
    """The specification, keeping its steps to itself."""

    capabilities: frozenset[Capability] = frozenset()


class LosesACycleOnRefund(BlackBox):
    """One of the cycles that come back with a response disappears."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "callback_invocation":
            return state
        message = state.messages[label.arguments()["message_id"]]
        if message.entry_point.refunded_cycles == 0:
            return state
        canister = state.canisters[message.receiver]
        return evolve(
            state, canisters=state.canisters.set(message.receiver, evolve(canister, balance=canister.balance - 1))
        )


class ForgetsARefund(BlackBox):
    """The cycles of a call that is rejected before it starts do not come back."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if not label.rule.startswith("reject_call_"):
            return state
        for message_id, message in state.messages.entries:
            if isinstance(message, ResponseMessage):
                state = evolve(state, messages=state.messages.replace(message_id, evolve(message, refunded_cycles=0)))
        return state


class MixesUpTheQueue(BlackBox):
    """The last two calls of an execution to the same canister change places."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        queues: dict[Between, list[int]] = {}
        for message_id, message in state.messages.entries:
            if isinstance(message, CallMessage) and isinstance(message.queue, Between):
                queues.setdefault(message.queue, []).append(message_id)
        for message_ids in queues.values():
            if len(message_ids) > 1:
                one, other = message_ids[-2:]
                first, second = state.messages[one], state.messages[other]
                state = evolve(state, messages=state.messages.replace(one, second).replace(other, first))
        return state


class AnswersTwice(BlackBox):
    """A request that was answered with a reply is answered again, with a reject."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[RequestId] = set()

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        if request_id in self.told:
            reason = RejectReason.CANISTER_DID_NOT_RESPOND
            return Rejected(SeenReject(int(RejectCode.CANISTER_ERROR), reason, "starved"))
        if isinstance(answer, Replied):
            self.told.add(request_id)
        return answer


class DeliversResponsesTwice(BlackBox):
    """Each response to a canister is delivered a second time, with its cycles."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        executed = self.current.messages[label.arguments()["message_id"]]
        last = state.messages.entries[-1][1] if state.messages.entries else None
        if not isinstance(executed.entry_point, PublicMethod):
            return state
        if isinstance(last, ResponseMessage) and isinstance(last.origin, FromCanister):
            return evolve(state, messages=state.messages.append(last))
        return state


class RejectsEverything(BlackBox):
    """Every request is rejected, as an overloaded system may do."""

    def next(self) -> Move | None:
        for request_id, known in self.current.requests.items():
            if isinstance(known.status, Received):
                label = Label("request_rejection", {"request_id": request_id, "code": RejectCode.SYS_TRANSIENT})
                fired = step(self.current, label)
                assert isinstance(fired, Step)
                return label, fired
        return None


def without_trap(code: bytes) -> bytes | None:
    """A program without the trap with a short text in which it ends; None if it ends in none."""
    for size in range(LONGEST_TEXT):
        trapping = program(trap(code[-1 - size : -1]))
        if code.endswith(trapping):
            return code.removesuffix(trapping)
    return None


class ForgetsRollback(BlackBox):
    """What an execution did to the heap before it trapped on purpose is kept."""

    def taken(self, label: Label, fired: Step) -> State:
        before, state = self.current, fired.state
        if label.rule != "message_execution":
            return state
        message = before.messages[label.arguments()["message_id"]]
        assert isinstance(message, FuncMessage)
        if not isinstance(message.entry_point, PublicMethod):
            return state
        undone = without_trap(message.entry_point.argument)
        if undone is None or not isinstance(fired.state.canisters[message.receiver].code, Code):
            return state
        canister = before.canisters[message.receiver]
        assert isinstance(canister.code, Code)
        outcome = module_of(before.profile, canister.code).update(
            message.entry_point.method_name,
            canister.code.wasm_state,
            undone,
            message.caller,
            None,
            environment_of(before, canister, canister.code, before.profile.limits.message_instructions),
            0,
        )
        if not isinstance(outcome, Returned):
            return state
        after = state.canisters[message.receiver]
        assert isinstance(after.code, Code)
        kept = evolve(after, code=evolve(after.code, wasm_state=outcome.new_state))
        return evolve(state, canisters=state.canisters.set(message.receiver, kept))


class KeepsTheHeapOnUpgrade(BlackBox):
    """An upgrade leaves the heap as it is, although nobody asked for that."""

    def taken(self, label: Label, fired: Step) -> State:
        before, state = self.current, fired.state
        if label.rule != "upgrade_code":
            return state
        for canister_id, canister in before.canisters.items():
            after = state.canisters[canister_id]
            if isinstance(canister.code, Code) and isinstance(after.code, Code):
                heap = canister.code.wasm_state.wasm_memory
                wasm_state = evolve(after.code.wasm_state, wasm_memory=heap)
                kept = evolve(after, code=evolve(after.code, wasm_state=wasm_state))
                state = evolve(state, canisters=state.canisters.set(canister_id, kept))
        return state


class Forgetful(BlackBox):
    """It says that nothing is left to do before that is so."""

    def advance(self, rounds: int, nanoseconds: int) -> Advanced:
        super().advance(0, nanoseconds)
        for _ in range(3):
            move = self.next()
            if move is not None:
                self.take(*move)
        return Advanced(1, True, self.current.system_time)


class Hangs(BlackBox):
    """It never comes back from `advance`."""

    def advance(self, rounds: int, nanoseconds: int) -> Advanced:
        while True:
            time.sleep(1)


class Dies(BlackBox):
    """It ends in the middle of the work."""

    def advance(self, rounds: int, nanoseconds: int) -> Advanced:
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(7)


class ClaimsTooMuch(SpecificationImplementation):
    """It explains itself, but claims a transition that it cannot have taken."""

    def explain(self) -> Sequence[object]:
        claims = list(super().explain())
        for index, claim in enumerate(claims):
            if claim.label.rule == "respond_to_user":
                claims[index] = evolve(claim, label=Label("respond_to_user", {"message_id": 1_000_000}))
        return claims


class MiscountsInstructions(SpecificationImplementation):
    """It explains itself, and charges one instruction too few."""

    def explain(self) -> Sequence[object]:
        return [
            evolve(
                claim,
                outputs=tuple(
                    evolve(output, instructions=output.instructions - 1) if hasattr(output, "instructions") else output
                    for output in claim.outputs
                ),
            )
            for claim in super().explain()
        ]


class Shuffled(BlackBox):
    """No bug: it takes what waits in a random order."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = random.Random(seed)

    def next(self) -> Move | None:
        functions = [number for number, message in self.current.messages.entries if isinstance(message, FuncMessage)]
        if functions:
            return super().next()
        moves = list(work(self.current, Bindings()))
        hidden = super().next()
        if hidden is not None:
            moves.append(hidden)
        return self.random.choice(moves) if moves else None


class RejectsOnce(BlackBox):
    """No bug: the system rejects one call that a canister made, because it is overloaded."""

    def __init__(self) -> None:
        super().__init__()
        self.rejected = False

    def next(self) -> Move | None:
        if not self.rejected:
            for label, fired in trouble(self.current):
                if label.rule == "spontaneous_call_rejection":
                    message = self.current.messages[label.arguments()["message_id"]]
                    if isinstance(message.origin, FromCanister):
                        self.rejected = True
                        return label, fired
        return super().next()


PLANTED = {
    made.__name__: made
    for made in (
        LosesACycleOnRefund,
        ForgetsARefund,
        MixesUpTheQueue,
        AnswersTwice,
        DeliversResponsesTwice,
        RejectsEverything,
        ForgetsRollback,
        KeepsTheHeapOnUpgrade,
        Forgetful,
        Hangs,
        Dies,
        ClaimsTooMuch,
        MiscountsInstructions,
        BlackBox,
    )
}

if __name__ == "__main__":
    serve(PLANTED[sys.argv[1]](), sys.stdin.buffer, sys.stdout.buffer)
