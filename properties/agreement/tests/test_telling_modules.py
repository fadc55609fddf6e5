"""
The engine for judges tells, as the specification's interpreter does, what an execution tried: no part of its outcome,
but what a judge considers who asks what the system might have refused.
"""

import pytest
from attrs import evolve

from conformance.canisters import ic0, library
from conformance.canisters.scripted import (
    RELAY_REPLY,
    call,
    ignore,
    memory_grow,
    program,
    reply,
    set_inspect_message,
    spin,
    trap,
    unreachable,
)
from properties.agreement.difference import difference
from properties.agreement.modules import SELF, USER, running_canister
from reference_impl.wasm.running.telling_module import FAST, TellingModule
from spec.canister.outcome import Outcome, Returned
from spec.canister.wasm_state import WasmState
from spec.profile import load_profile
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.values.rejects import Reply

PRODUCTION = load_profile("production")
ENVIRONMENT = running_canister(PRODUCTION)
GROWING = (
    call(SELF, "update", b"", cycles=10**9),
    ignore(memory_grow(3)),
    ignore(ic0.stable64_grow(2)),
    ignore(ic0.stable_grow(0)),
    ignore(memory_grow(2**20)),
    call(SELF, "update", b"", cycles=10**30),
    ignore(memory_grow(1)),
)
PROGRAMS = {
    "nothing": program(),
    "replies": program(reply(b"so")),
    "spins": program(spin(1000), reply()),
    "grows": program(*GROWING, reply()),
    "grows and traps": program(*GROWING, unreachable()),
    "grows and is told to trap": program(*GROWING, trap(b"now")),
}


def pair(name: str = "scripted") -> tuple[WasmCanisterModule, TellingModule]:
    """The module by the interpreter, and by the engine."""
    specified, other = parse_module(library.load(name), PRODUCTION), FAST.load(library.load(name), PRODUCTION)
    assert isinstance(specified, WasmCanisterModule)
    assert isinstance(other, TellingModule)
    return specified, other


def initial() -> WasmState:
    """The state of the scripted canister after its installation."""
    outcome = pair()[0].init(pair()[0].initial_state(SELF), b"", USER, ENVIRONMENT)
    assert isinstance(outcome, Returned)
    return outcome.new_state


def same(one: Outcome, other: Outcome) -> None:
    """Both outcomes are equal, and tell the same beside that."""
    assert difference(told(one), told(other), "outcome") is None


def told(outcome: Outcome) -> tuple[object, ...]:
    """All that an outcome tells; a text for people is as an engine has it."""
    beside = (outcome.growths, outcome.tried_growths, outcome.calls_tried, getattr(outcome, "made_calls", ()))
    plain = outcome if isinstance(outcome, Returned) else evolve(outcome, message="")
    if isinstance(plain, Returned) and plain.cleaned_up_after is not None:
        cleaned = plain.cleaned_up_after
        return evolve(plain, cleaned_up_after=evolve(cleaned, message="")), beside, cleaned.tried_growths
    return plain, beside


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("refused", [{}, {"refused_growths": (1, 2)}, {"trapping_growths": (2,)}], ids=repr)
def test_what_an_update_tried_is_told(name: str, refused: dict[str, tuple[int, ...]]) -> None:
    environment = evolve(ENVIRONMENT, **refused)
    one, other = (each.update("update", initial(), PROGRAMS[name], USER, None, environment, 0) for each in pair())
    same(one, other)
    assert bool(one.tried_growths) == name.startswith("grows")


def test_what_a_callback_and_its_cleanup_tried_is_told_together() -> None:
    calling = program(
        call(
            SELF,
            "update",
            b"",
            on_reply=program(*GROWING[1:3], unreachable()),
            on_reject=RELAY_REPLY,
            on_cleanup=program(ignore(memory_grow(4))),
        )
    )
    sent = pair()[0].update("update", initial(), calling, USER, None, ENVIRONMENT, 0)
    assert isinstance(sent, Returned)
    callback = sent.new_calls.items[0].callback
    one, other = (
        each.callback(callback, Reply(b""), 0, sent.new_state, USER, None, ENVIRONMENT, 0, True) for each in pair()
    )
    same(one, other)
    assert [growth.granted for growth in one.tried_growths] == [3 << 16, 2 << 16, 4 << 16]


def test_what_hooks_of_an_installation_tried_is_told() -> None:
    one, other = (each.init(each.initial_state(SELF), PROGRAMS["grows"], USER, ENVIRONMENT) for each in pair())
    same(one, other)


def test_how_often_an_inspection_tried_to_grow_is_told() -> None:
    hook = program(set_inspect_message(program(ignore(memory_grow(1)), ignore(memory_grow(1)))))
    installed = pair()[0].update("update", initial(), hook, USER, None, ENVIRONMENT, 0)
    assert isinstance(installed, Returned)
    one, other = (each.inspect_message("update", installed.new_state, b"", USER, ENVIRONMENT) for each in pair())
    assert one == other
    assert one.growths == other.growths == 2


def test_an_execution_that_was_asked_for_before_is_not_run_again() -> None:
    _, other = pair()
    state = initial()
    first = other.update("update", state, PROGRAMS["grows"], USER, None, ENVIRONMENT, 0)
    again = other.update("update", state, PROGRAMS["grows"], USER, None, evolve(ENVIRONMENT), 0)
    assert again is first
    assert other.update("update", state, PROGRAMS["grows"], USER, None, ENVIRONMENT, 1) is not first
