"""The table of transitions that commute, against every pair of them that the small worlds meet."""

from collections import Counter, deque
from collections.abc import Iterator

import pytest
from attrs import field, frozen

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, bytes_of_u64, call, program, reply, trap
from properties.exploration.explorer import World, steps_from
from properties.exploration.worlds import FIRST, SECOND, TASKS, WORLDS, manage, submitted, with_canisters
from spec.commutation import EAGER, OVERTAKING, commute, concerned, is_undisturbed
from spec.machine import candidates, enabled, step
from spec.profile import Profile, load_profile
from spec.state.canonical import canonical_form
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.state.state import State
from spec.transition import RULES, Step
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal

LEAST_PAIRS = 5_000

MOST_STATES = 250
"""Of each world; the nearest."""


def calls_while_stopping(profile: Profile) -> State:
    """A canister stops while it is called by a user and by another canister."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(call(SECOND, "update", program(reply()), on_reply=program(reply()), on_reject=program(reply())))
    asked = submitted(submitted(state, FIRST, "update", outer, 1), SECOND, "update", program(reply()), 2)
    return manage(asked, "stop_canister", SECOND, 3)


def uninstalled_and_back(profile: Profile) -> State:
    """Code that awaits a response with cycles is uninstalled, and other code tells the balance."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(call(SECOND, "update", program(reply(b"")), cycles=10**9, on_reply=RELAY_REPLY))
    state = quiet_but_for(submitted(state, FIRST, "update", outer, 1), SECOND)
    uninstall = management.encode_arguments(management.UninstallCodeArguments(FIRST))
    state = quiet_but_for(submitted(state, MANAGEMENT_CANISTER, "uninstall_code", uninstall, 2), SECOND)
    install = management.InstallCodeArguments(management.InstallMode(), FIRST, load("scripted"))
    state = submitted(state, MANAGEMENT_CANISTER, "install_code", management.encode_arguments(install), 3)
    state = quiet_but_for(state, SECOND)
    return submitted(state, FIRST, "update", program(reply(bytes_of_u64(ic0.canister_cycle_balance()))), 4)


def quiet_but_for(state: State, canister_id: Principal) -> State:
    """The state in which all has happened but what concerns one canister."""
    while True:
        labels = [label for label in enabled(state) if canister_id not in concerned(state, label)]
        if not labels:
            return state
        fired = step(state, labels[0])
        assert isinstance(fired, Step)
        state = fired.state


def trap_and_uninstall(profile: Profile) -> State:
    """A call traps, and the code is uninstalled."""
    state = with_canisters(profile, "scripted")
    state = submitted(state, FIRST, "update", program(trap(b"planned")), 1)
    uninstall = management.encode_arguments(management.UninstallCodeArguments(FIRST))
    return submitted(state, MANAGEMENT_CANISTER, "uninstall_code", uninstall, 2)


ALL_WORLDS = [
    *WORLDS.values(),
    *(
        World(name=begin.__name__, title=str(begin.__doc__), begin=begin, without=TASKS)
        for begin in (calls_while_stopping, uninstalled_and_back, trap_and_uninstall)
    ),
]

UNMET = {"initiate_call"}
"""No world rejects requests without reason, or lets so much time pass that they expire."""


@frozen
class Pairs:
    """What was found about pairs of an eager label and another one, both enabled."""

    checked: Counter = field(factory=Counter)
    """How many commute as the table says, by the names of their rules."""
    excepted: Counter = field(factory=Counter)
    """How many need not commute, as the table says, and do not."""
    wrong: list = field(factory=list)
    disturbed: list = field(factory=list)
    """Where an eager label was undisturbed, and no longer after another one."""


def taken(state: State, label: Label) -> State | None:
    """The state after a label and the execution that it begins; None if it is not enabled."""
    fired = step(state, label)
    if not isinstance(fired, Step):
        return None
    after = fired.state
    for message_id, message in after.messages.entries:
        if isinstance(message, FuncMessage):
            ran = step(after, Label("message_execution", {"message_id": message_id}))
            assert isinstance(ran, Step)
            return ran.state
    return after


def both_ways(state: State, eager: Label, other: Label) -> bool:
    """Either order can be taken, and leads to the same state."""
    one, two = taken(state, eager), taken(state, other)
    assert one is not None
    assert two is not None
    first, second = taken(one, other), taken(two, eager)
    return first is not None and second is not None and canonical_form(first) == canonical_form(second)


def eager_labels(state: State) -> Iterator[Label]:
    """The eager labels that are enabled."""
    for name in EAGER:
        yield from (label for label in candidates(state, RULES[name]) if isinstance(step(state, label), Step))


def look_at(world: World, state: State, found: Pairs) -> list[State]:
    """Checks every pair of a state, and gives the states that follow."""
    others = [label for label, _ in steps_from(world, state)]
    for eager in eager_labels(state):
        undisturbed = is_undisturbed(state, eager)
        for other in others:
            if other == eager:
                continue
            names = (eager.rule, other.rule)
            if commute(state, eager, other):
                found.checked[names] += 1
                if not both_ways(state, eager, other):
                    found.wrong.append((world.name, eager, other))
            else:
                found.excepted[names] += not both_ways(state, eager, other)
                if undisturbed:
                    found.disturbed.append((world.name, eager, other))
            after = taken(state, other)
            if undisturbed and (after is None or not is_undisturbed(after, eager)):
                found.disturbed.append((world.name, eager, other))
    return [after for label in others if (after := taken(state, label)) is not None]


def explored(world: World, most_states: int) -> Pairs:
    """All pairs of a world, or of so many of its states."""
    first = world.begin(load_profile("small-world"))
    seen, waiting, found = {canonical_form(first)}, deque([first]), Pairs()
    while waiting:
        for after in look_at(world, waiting.popleft(), found):
            name = canonical_form(after)
            if name not in seen and len(seen) < most_states:
                seen.add(name)
                waiting.append(after)
    return found


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """The pairs of the nearest states of all worlds."""
    return together([explored(world, MOST_STATES) for world in ALL_WORLDS])


def together(found: list[Pairs]) -> Pairs:
    """What was found in several worlds."""
    return Pairs(
        sum((each.checked for each in found), Counter()),
        sum((each.excepted for each in found), Counter()),
        [wrong for each in found for wrong in each.wrong],
        [disturbed for each in found for disturbed in each.disturbed],
    )


def test_transitions_commute_where_the_table_says_so(pairs: Pairs) -> None:
    """Both orders can be taken, and lead to one state."""
    assert pairs.wrong == []
    assert pairs.checked.total() >= LEAST_PAIRS


def test_an_undisturbed_transition_stays_so_whatever_comes_before_it(pairs: Pairs) -> None:
    """So by induction nothing with which it does not commute can come first."""
    assert pairs.disturbed == []


def test_every_eager_rule_is_met_and_every_exception_is_needed(pairs: Pairs) -> None:
    """For each there are pairs that commute; for each that has rows, pairs that do not."""
    assert {eager for eager, _ in pairs.checked} == set(EAGER)
    needed = {eager for eager, count in pairs.excepted.items() if count}
    assert {eager for eager, _ in needed} == {eager for eager, rows in OVERTAKING.items() if rows} - UNMET


@pytest.mark.deep
def test_all_pairs_of_all_states_of_all_worlds_are_as_the_table_says() -> None:
    """Without a bound on the states."""
    found = together([explored(world, 100_000) for world in ALL_WORLDS])
    assert (found.wrong, found.disturbed) == ([], [])
    assert found.checked.total() >= 2 * LEAST_PAIRS


@pytest.mark.parametrize(
    ("eager", "world"),
    [
        ("stop_completion", calls_while_stopping),
        ("callback_of_deleted_context", uninstalled_and_back),
        ("call_context_starvation", trap_and_uninstall),
    ],
)
def test_a_table_without_a_row_is_found_out(eager: str, world, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is there because the pairs that it excepts do not commute."""
    monkeypatch.setitem(OVERTAKING, eager, ())
    found = explored(next(each for each in ALL_WORLDS if each.begin is world), MOST_STATES)
    assert {label.rule for _, label, _ in found.wrong} == {eager}
