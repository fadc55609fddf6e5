"""
Random programs on subnets that have little of everything: both engines refuse the same, and every capacity is reached.

The reference implementation runs by itself; its labels are followed by the specification, and each must be what
production chooses. What is left is compared after each run.
"""

from collections import Counter

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import call, program, reply
from properties.agreement.stage import Stage
from properties.agreement.tests.test_own_choices import run_alone
from properties.agreement.tests.test_own_choices_on_a_full_subnet import used
from reference_impl.subnet.capacities import Capacities
from spec.production.capacities.room import room_of
from spec.production.capacities.usage import callbacks_taken, guaranteed_message_memory, largest_response
from spec.profile import Profile, load_profile
from spec.values.identifiers import CanisterId
from spec.values.quantities import WASM_PAGE

MODULE = load("scripted")
PROFILE = load_profile()
RESPONSE = largest_response(PROFILE.limits)
GROWTHS = ("heap", "stable")


@frozen
class Ask:
    """Something that a program asks for."""

    what: str
    size: int
    to_other: bool
    inner: "tuple[Ask, ...]" = ()
    """What the callback of a call asks for."""


def asks(depth: int) -> st.SearchStrategy[tuple[Ask, ...]]:
    """A few of them; calls have callbacks that ask for more."""
    growing = st.builds(Ask, st.sampled_from(GROWTHS), st.integers(1, 4), st.just(False))
    inner = asks(depth - 1) if depth else st.just(())
    calling = st.builds(Ask, st.sampled_from(["call", "bounded call"]), st.integers(0, 2), st.booleans(), inner)
    return st.lists(growing | calling | calling, max_size=5).map(tuple)


def actions(canister: CanisterId, other: CanisterId, wanted: tuple[Ask, ...]) -> list[s.Action]:
    """The program that asks for all that; where a call is refused it goes on."""
    made: list[s.Action] = []
    for ask in wanted:
        if ask.what == "heap":
            made.append(s.ignore(s.memory_grow(ask.size)))
        elif ask.what == "stable":
            made.append(s.ignore(ic0.stable_grow(ask.size)))
        else:
            made.append(
                call(
                    other if ask.to_other else canister,
                    "update",
                    program(reply(b"")),
                    on_reply=program(*actions(canister, other, ask.inner)),
                    timeout_seconds=5 if ask.what == "bounded call" else None,
                    if_refused=s.add_to_counter(1),
                )
            )
    return made


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Subnets with room for a few pages, calls and responses on each core."""
    cores = draw(st.sampled_from([1, 2]))
    pages = draw(st.integers(0, 12))
    limits = evolve(
        PROFILE.limits, subnet_memory=used() + pages * WASM_PAGE, open_calls=draw(st.sampled_from([2, 500]))
    )
    capacities = evolve(
        PROFILE.capacities,
        memory_for_callbacks=draw(st.integers(0, pages)) * WASM_PAGE,
        guaranteed_message_memory=draw(st.sampled_from([0, 3, 5, 100])) * RESPONSE,
        callbacks=draw(st.sampled_from([0, 2, 1_000])),
        callbacks_of_canister=draw(st.sampled_from([0, 1, 3])),
    )
    return evolve(PROFILE, limits=limits, capacities=capacities, rounds=evolve(PROFILE.rounds, threads=cores))


def compare_rooms(stage: Stage) -> None:
    """What is left is the same on both sides."""
    ours, theirs = room_of(stage.state), Capacities(stage.lockstep.engine.instance)
    assert max(ours.memory, 0) == theirs.memory()
    assert max(ours.memory_of(True), 0) == theirs.memory(True)
    assert max(ours.guaranteed_messages, 0) == theirs.message_memory()
    assert callbacks_taken(stage.state) == theirs.callbacks_in_use
    assert guaranteed_message_memory(stage.state) == theirs.message_memory_in_use


def test_engines_refuse_the_same_and_have_the_same_left() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(profile=profiles(), wanted=asks(2), answers=st.booleans())
    def check(profile: Profile, wanted: tuple[Ask, ...], answers: bool) -> None:
        stage = Stage(profile)
        canister, other = stage.installed(MODULE), stage.installed(MODULE)
        end = reply(b"done") if answers else s.trap(b"no")
        executions = run_alone(stage, canister, program(*actions(canister, other, wanted), end))
        compare_rooms(stage)
        seen["executions"] += len(executions)
        seen["refused growths"] += any("refused_growths" in made for made in executions)
        seen["refused calls"] += any("refused_calls" in made for made in executions)
        seen["refused in a callback"] += any("refused_growths" in made for made in executions[1:])
        seen["both refused"] += any("refused_growths" in made and "refused_calls" in made for made in executions)
        seen["nothing refused"] += not any({"refused_growths", "refused_calls"} & made.keys() for made in executions)

    check()
    assert min(seen.values()) >= 2, seen
    assert len(seen) == 6
