"""
Unknown containers admit whatever the containers of the specification do.

A container and an unknown one, of which the solver is told that it has just these contents, take the same operations.
What the real one answers must be possible for the unknown one; else the proofs would miss what really happens.
"""

from collections.abc import Callable, Iterable
from typing import Any

import z3
from attrs import frozen
from hypothesis import event, given, settings
from hypothesis import strategies as st

from properties.proof.claims.proof import Verdict, prove
from properties.proof.containers.laws import apply_laws
from properties.proof.containers.lists import length_of
from properties.proof.containers.sums import relate_sums, sums
from properties.proof.meaning.symbolic_meaning import new_session
from properties.proof.paths.runs import learn, path, paths
from properties.proof.terms.session import opened
from properties.proof.values.merging import merged_number
from properties.proof.values.scalars import lift
from properties.proof.values.unknown import unknown
from spec.values.containers import List, Map, Queue

KEYS = range(4)
NUMBERS = st.integers(-2, 3)
SETTINGS = settings(max_examples=150, deadline=None)


@frozen(eq=False)
class Above:
    """A number is greater than a bound."""

    bound: int

    def __call__(self, *key_and_value: Any) -> Any:
        return key_and_value[-1] > self.bound


@frozen(eq=False)
class Add:
    """A number and some more."""

    more: int

    def __call__(self, value: Any) -> Any:
        return value + self.more


def itself(value: Any) -> Any:
    return value


Change = Callable[[Any], Any]
"""What is done to a container, known or unknown."""


@st.composite
def map_changes(draw: st.DrawFn, contents: dict[int, int]) -> list[Change]:
    """Changes of a map that may be made one after the other."""
    there, changes = set(contents), []
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(("set", "remove", "change", "change") if there else ("set", "change"))):
            case "set":
                key, value = draw(st.sampled_from(KEYS)), draw(NUMBERS)
                changes.append(lambda container, key=key, value=value: container.set(key, value))
                there.add(key)
            case "remove":
                key = draw(st.sampled_from(sorted(there)))
                changes.append(lambda container, key=key: container.remove(key))
                there.remove(key)
            case "change":
                above, add = Above(draw(NUMBERS)), Add(draw(NUMBERS))
                changes.append(lambda container, above=above, add=add: container.change_where(above, add))
    return changes


@st.composite
def queue_changes(draw: st.DrawFn, length: int) -> list[Change]:
    """Changes of a queue that may be made one after the other."""
    there, next_id, changes = set(range(length)), length, []
    for _ in range(draw(st.integers(0, 4))):
        value = draw(NUMBERS)
        match draw(st.sampled_from(("append", "prepend", "remove", "replace") if there else ("append", "prepend"))):
            case "append":
                changes.append(lambda container, value=value: container.append(value, value + 1))
                there |= {next_id, next_id + 1}
                next_id += 2
            case "prepend":
                changes.append(lambda container, value=value: container.prepend(value))
                there.add(next_id)
                next_id += 1
            case "remove":
                item_id = draw(st.sampled_from(sorted(there)))
                changes.append(lambda container, item_id=item_id: container.remove(item_id))
                there.remove(item_id)
            case "replace":
                item_id = draw(st.sampled_from(sorted(there)))
                changes.append(lambda container, item_id=item_id, value=value: container.replace(item_id, value))
    if draw(st.booleans()):
        more = List(tuple(draw(st.lists(NUMBERS, max_size=2))))
        changes.append(lambda container: container.extend(more))
    return changes


@st.composite
def list_changes(draw: st.DrawFn, length: int) -> list[Change]:
    """Changes of a list that may be made one after the other."""
    changes: list[Change] = []
    match draw(st.sampled_from(("none", "take", "replace", "newest") if length else ("none", "newest"))):
        case "take":
            index = draw(st.integers(0, length - 1))
            changes.append(lambda container: container.take(index)[1])
        case "replace":
            place, item = draw(st.integers(0, length - 1)), draw(NUMBERS)
            changes.append(lambda container: container.replace(place, item))
        case "newest":
            count = draw(st.integers(0, length))
            changes.append(lambda container: container.newest(count))
    for _ in range(draw(st.integers(0, 3))):
        value = draw(NUMBERS)
        if draw(st.booleans()):
            changes.append(lambda container, value=value: container.append(value))
        else:
            changes.append(lambda container, value=value: container.map(Add(value)))
    return changes


def after(container: Any, changes: Iterable[Change]) -> Any:
    """A container after some changes."""
    for change in changes:
        container = change(container)
    return container


def know_sums(contents: dict[int, int]) -> None:
    """Tells the solver each sum over the root that was asked for."""
    for group in sums().by_container.values():
        for each in group.values():
            learn(each.term == sum(each.measure(key, value) for key, value in contents.items()), always=True)


def solver_admits(formula: Any) -> bool:
    """There is a state with all that is known in which the formula is true."""
    current = path()
    current.solver.push()
    current.solver.add(formula)
    answer = current.solver.check()
    current.solver.pop()
    return bool(answer == z3.sat)


def admits_number(contents: dict[int, int], question: Callable[[], Any], answer: int) -> bool:
    """The unknown container may answer with this number, and with no other."""
    number = merged_number(question)
    term = lift(number)
    know_sums(contents)
    apply_laws()
    for relation in list(relate_sums()):
        path().learn(relation)
    know_sums(contents)
    return solver_admits(term == answer) and not solver_admits(term != answer)


def admits_truth(question: Callable[[], Any], answer: bool) -> bool:
    """The opposite of the answer is not proved."""
    opposite = not_(question)
    return prove(opposite if answer else question)[0] is not Verdict.PROVED


def proves(question: Callable[[], Any], answer: bool) -> bool:
    """The same, and what is true of all elements is proved."""
    return admits_truth(question, answer) and (not answer or prove(question)[0] is Verdict.PROVED)


def not_(question: Callable[[], Any]) -> Callable[[], bool]:
    """The opposite."""
    return lambda: not question()


def judged(question: Callable[[], dict[str, bool]]) -> None:
    """Every path has a state, and on it every answer is admitted."""
    with opened(new_session()):
        results = list(paths(question))
    assert results
    for _, answers in results:
        assert all(answers.values()), {name for name, is_admitted in answers.items() if not is_admitted}


@SETTINGS
@given(st.dictionaries(st.sampled_from(KEYS), NUMBERS), st.data())
def test_an_unknown_map_may_be_any_map(contents: dict[int, int], data: st.DataObject) -> None:
    changes, bound = data.draw(map_changes(contents)), data.draw(NUMBERS)
    real = after(Map.of(contents.items()), changes)
    event(f"{len(changes)} changes")

    def question() -> dict[str, bool]:
        container = unknown(Map[int, int], "m")
        for key in KEYS:
            has = container.entries.root.has(lift(key))
            learn(has if key in contents else z3.Not(has), always=True)
            if key in contents:
                learn(lift(container.entries.root.value(lift(key))) == contents[key], always=True)
        learn(lift(container.every(lambda key, _: key >= 0 and key < len(KEYS))), always=True)
        changed = after(container, changes)
        answers = {f"has {key}": (key in changed) == (key in real) for key in KEYS}
        answers |= {
            f"get {key}": admits_number(contents, lambda key=key: changed[key], value) for key, value in real.items()
        }
        answers["total"] = admits_number(contents, lambda: changed.total(itself), real.total(itself))
        above = Above(bound)
        collected = real.collect_where(above, itself)
        answers["collect"] = admits_number(
            contents, lambda: changed.collect_where(above, itself).total(itself), collected.total(itself)
        )
        answers["size"] = admits_number(contents, changed.length, len(real))
        answers["length"] = admits_number(
            contents, lambda: changed.collect_where(above, itself).length(), len(collected)
        )
        answers["every"] = proves(lambda: changed.every(above), real.every(above))
        answers["none"] = proves(lambda: changed.none(above), real.none(above))
        return answers

    judged(question)


@SETTINGS
@given(st.lists(NUMBERS, max_size=3), st.data())
def test_an_unknown_queue_may_be_any_queue(items: list[int], data: st.DataObject) -> None:
    changes, bound = data.draw(queue_changes(len(items))), data.draw(NUMBERS)
    contents = dict(enumerate(items))
    real = after(Queue().append(*items), changes)

    def question() -> dict[str, bool]:
        container = unknown(Queue[int], "q")
        root = container.entries.root
        learn(lift(container._next_id()) == len(items), always=True)
        for item_id, item in contents.items():
            learn(root.has(lift(item_id)), always=True)
            learn(lift(root.value(lift(item_id))) == item, always=True)
        changed = after(container, changes)
        one_by_one = [item_id for item_id in real.ids() if item_id < len(items) + changed.entered]
        above = Above(bound)
        answers = {f"has {item_id}": item_id in changed for item_id in one_by_one}
        answers |= {
            f"get {item_id}": admits_number(contents, lambda item_id=item_id: changed[item_id], real[item_id])
            for item_id in one_by_one
        }
        answers["total"] = admits_number(contents, lambda: changed.total(itself), real.total(itself))
        answers["every"] = proves(lambda: changed.every(above), real.every(above))
        answers["none"] = proves(lambda: changed.none(above), real.none(above))
        return answers

    judged(question)


@SETTINGS
@given(st.lists(NUMBERS, max_size=4), st.data())
def test_an_unknown_list_may_be_any_list(items: list[int], data: st.DataObject) -> None:
    changes, bound = data.draw(list_changes(len(items))), data.draw(NUMBERS)
    contents = dict(enumerate(items))
    real = after(List(tuple(items)), changes)

    def question() -> dict[str, bool]:
        container = unknown(List[int], "l")
        root = container.parts[0].root
        learn(length_of(root) == len(items), always=True)
        for index, item in contents.items():
            learn(lift(root.value(lift(index))) == item, always=True)
        changed, above = after(container, changes), Above(bound)
        answers = {"length": admits_number(contents, changed.length, len(real))}
        if all(getattr(part, "newest", None) is None for part in changed.parts):
            answers["total"] = admits_number(contents, lambda: changed.total(itself), real.total(itself))
        answers["every"] = proves(lambda: changed.every(above), real.every(above))
        answers["none"] = proves(lambda: changed.none(above), real.none(above))
        if not changes:
            answers["contains"] = admits_truth(lambda: changed.contains(bound), real.contains(bound))
        return answers

    judged(question)
