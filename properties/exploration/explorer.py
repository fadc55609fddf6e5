"""
All interleavings of a small world.

States are explored breadth first and deduplicated by what can be told apart, so a counterexample is a shortest
schedule.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence

from attrs import evolve, field, frozen

from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.machine import enabled, step
from spec.profile import Profile, load_profile
from spec.state.canonical import canonical_form
from spec.state.label import Label
from spec.state.state import State, total_cycles
from spec.transition import Step
from spec.values.identifiers import Text
from spec.values.quantities import Count

Choices = Callable[[State], list[Label]]
"""The labels that a world admits in a state, beside those that the system takes by itself."""


@frozen
class World:
    """A small world: where it begins, and what may happen in it."""

    name: Text
    title: Text
    begin: Callable[[Profile], State]
    also: Choices = field(default=lambda _: [])
    """Spontaneous labels and submissions that belong to this world."""
    without: frozenset[Text] = frozenset()
    """Rules that are left out, because they would never end."""
    expects: Callable[[State], Text | None] = field(default=lambda _: None)
    """What is wrong with a state in which nothing is left to do; None if nothing is."""


@frozen
class Violation:
    """A schedule that leads to a state or step that may not be."""

    what: Text
    schedule: tuple[Label, ...]


@frozen
class Exploration:
    """What was found."""

    states: Count
    """Different states."""
    steps: Count
    """Steps between them."""
    depth: Count
    """The length of the longest of the shortest schedules to a state."""
    final_states: Count
    """States in which nothing is left to do."""
    exhausted: bool
    """Every state that can be reached was visited."""
    fired: dict[Text, Count]
    """How often each rule fired."""
    violation: Violation | None = None


Identity = Callable[[State], Hashable]
"""What can be told apart of a state."""


@frozen
class Successor:
    """A step that was taken from a state."""

    label: Label
    state: State
    """After it."""
    name: Hashable
    """The identity of that state."""
    wrong: Text | None
    """Which statement about states or steps does not hold; None if all do."""


@frozen
class Looked:
    """What can follow a state."""

    successors: tuple[Successor, ...]
    wrong: Text | None
    """What is wrong with it as the last state of a schedule; None if nothing is, or it is not the last one."""


Looking = Callable[[World, Identity, Sequence[State]], Iterator[Looked]]
"""Looks at each of some states, in their order."""


def look_here(world: World, identity: Identity, states: Sequence[State]) -> Iterator[Looked]:
    """Looks at one state after the other, when it is asked for."""
    for state in states:
        yield _looked(world, identity, state)


def _looked(world: World, identity: Identity, state: State) -> Looked:
    taken = list(steps_from(world, state))
    return Looked(
        tuple(Successor(label, each.state, identity(each.state), violated(state, each)) for label, each in taken),
        None if taken else world.expects(state),
    )


def explore(
    world: World,
    *,
    profile: Profile | None = None,
    depth: Count | None = None,
    most_states: Count = 200_000,
    identity: Identity = canonical_form,
    progress: Callable[[Count, Count], None] = lambda _states, _depth: None,
    looking: Looking = look_here,
) -> Exploration:
    """
    Visits every state of a world to a depth, checking all invariants, and stops at the first violation.

    The profile is `small-world` if none is given. Whoever looks at the states, what is found is the same.
    """
    first = world.begin(load_profile("small-world") if profile is None else profile)
    seen = {identity(first)}
    level: list[tuple[State, tuple[Label, ...]]] = [(first, ())]
    found = Exploration(states=1, steps=0, depth=0, final_states=0, exhausted=True, fired={})
    fired: Counter[Text] = Counter()
    while level and (depth is None or found.depth < depth):
        longer: list[tuple[State, tuple[Label, ...]]] = []
        schedules = [schedule for _, schedule in level]
        for schedule, looked in zip(schedules, looking(world, identity, [state for state, _ in level]), strict=True):
            if not looked.successors:
                found = evolve(found, final_states=found.final_states + 1)
            if looked.wrong is not None:
                return _ended(found, fired, Violation(looked.wrong, schedule))
            for one in looked.successors:
                fired[one.label.rule] += 1
                found = evolve(found, steps=found.steps + 1, depth=len(schedule) + 1)
                if one.wrong is not None:
                    return _ended(found, fired, Violation(one.wrong, (*schedule, one.label)))
                if one.name not in seen:
                    seen.add(one.name)
                    longer.append((one.state, (*schedule, one.label)))
            progress(len(seen), len(schedule))
            found = evolve(found, states=len(seen))
            if len(seen) > most_states:
                return _ended(evolve(found, exhausted=False), fired, None)
        level = longer
    return _ended(evolve(found, exhausted=not level), fired, None)


def _ended(found: Exploration, fired: Counter[Text], violation: Violation | None) -> Exploration:
    exhausted = found.exhausted and violation is None
    return evolve(found, fired=dict(sorted(fired.items())), violation=violation, exhausted=exhausted)


def steps_from(world: World, state: State) -> Iterator[tuple[Label, Step]]:
    """The steps that the world can take from a state."""
    for label in [*enabled(state), *world.also(state)]:
        if label.rule not in world.without:
            result = step(state, label)
            if isinstance(result, Step):
                yield label, result


def violated(before: State, taken: Step) -> Text | None:
    """Which statement about states or steps does not hold; None if all do."""
    for invariant in INVARIANTS.values():
        if not invariant.holds(taken.state):
            return f"the invariant `{invariant.name}` does not hold: {invariant.title}"
    for law in STEP_INVARIANTS.values():
        if not law.holds(before, taken):
            return f"the step violates `{law.name}`: {law.title}"
    came = total_cycles(before) + sum(minted.cycles for minted in taken.minted)
    went = total_cycles(taken.state) + sum(burned.cycles for burned in taken.burned)
    if came != went:
        return f"cycles are not conserved: {came} before, {went} after"
    return None
