"""
Known states drawn from paths: a model of a path is made into a state, on which the rule's text is run as it stands.

A path leaves open what it did not look at. So its model is completed first: nothing is in a container but what was
looked at, sums are those of these elements, and a statement about all elements that is false has an element of which
it does not hold. A path that has no such small state is left out. Opaque functions and modules answer as the path
says, and nothing else.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import z3
from attrs import field, fields, frozen
from attrs import has as is_attrs
from rpds import HashTrieMap

from properties.proof.claims.obligations import Fired
from properties.proof.containers.containers import UnknownMap, UnknownQueue, UnknownSet
from properties.proof.containers.entries import Entered, Put
from properties.proof.containers.laws import Law, Root, apply_laws, knowledge, look_farther, touch
from properties.proof.containers.lists import Collected, One, Placed, Section, UnknownList, length_of, within_list
from properties.proof.containers.sums import sums
from properties.proof.meaning.modules import UnknownModule, calls_of_modules, opaque_calls
from properties.proof.paths.runs import Path, Run, exploration
from properties.proof.terms.formulas import conjunction
from properties.proof.terms.symbols import application, literal, symbols
from properties.proof.values.merging import merged_formula, merged_number
from properties.proof.values.scalars import UnknownMember, UnknownName, UnknownTruth, is_unknown, lift, member_number
from properties.proof.values.unknown import OneOf, Record
from spec.canister.module import CanisterModule
from spec.state.state import State
from spec.transition import NotEnabled
from spec.values.containers import List, Map, Queue
from spec.values.memory import LinearMemory

LONGEST = 8
"""Lists that are longer in the model are not made."""

SHORTEST_NAME, LONGEST_NAME = 8, 10**6
"""Names that are shorter or longer in the model are not made, unless they are known."""


class Unrealised(Exception):
    """There is no small known state for a path."""


PROPERTIES = tuple(name for name, member in vars(CanisterModule).items() if isinstance(member, property))
"""What a module has, without being asked with arguments."""


@frozen
class AnsweringModule:
    """
    A known module that answers what a path says, and nothing else.

    Two of them are the same if the path says so of the modules that they stand for.
    """

    name: str
    numbers: tuple[int, ...]
    known_properties: dict[str, Any] = field(factory=dict, eq=False, repr=False)
    answers: list[tuple[str, dict[str, Any], Any]] = field(factory=list, eq=False, repr=False)
    """Function, arguments by name, and result of each call on the path."""

    def __getattr__(self, name: str) -> Any:
        if name in PROPERTIES:
            if name not in self.known_properties:
                raise Unrealised(f"{name} of the module was not asked for on the path")
            return self.known_properties[name]
        function = getattr(CanisterModule, name)

        def answer(*arguments: Any, **named: Any) -> Any:
            given = arguments_of(function, (self, *arguments), named)
            for called, known, result in self.answers:
                if called == name and known == given:
                    return result
            raise Unrealised(f"{name} of the module was not asked this on the path")

        return answer


def arguments_of(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name, but the module itself."""
    bound = inspect.signature(function).bind(*arguments, **named)
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name != "self"}


@frozen(eq=False)
class Realised:
    """A known state and choices, and what the path says of them."""

    state: State
    choices: dict[str, Any]
    expected: Any
    """`NotEnabled` with its condition, or the step."""
    opaque_calls: list[tuple[str, tuple[Any, ...], Any]]

    def interpretation(
        self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """The answer of an opaque function to known arguments, as the path says."""
        bound = inspect.signature(function).bind(*arguments, **named)
        bound.apply_defaults()
        given = tuple(bound.arguments.values())
        for called, known, result in self.opaque_calls:
            if called == name and known == given:
                return result
        raise Unrealised(f"{name} was not asked this on the path")


class ModelRun(Run):
    """A run in which a model answers every question."""

    def __init__(self, model: Any) -> None:
        super().__init__([])
        self.model = model

    def pick(self, options: Any, about: int, left: Any) -> int:
        """The option that is true in the model."""
        return next(index for index in left if z3.is_true(self.model.eval(options[index], model_completion=True)))


def realised(current: Path, outcome: Fired | NotEnabled, state: Any, choices: dict[str, Any]) -> Realised:
    """A known state for a path. Raises `Unrealised`."""
    model = completed_model(current)
    run = ModelRun(model)
    exploration().runs.append(run)
    try:
        reader = Maker(model)
        expected: Any = outcome
        if isinstance(outcome, Fired):
            expected = reader.known(outcome.step)
        known_choices = {name: reader.known(one) for name, one in choices.items()}
        known_state = reader.known(state)
        _give_answers(reader)
        return Realised(known_state, known_choices, expected, list(_answers(reader)))
    finally:
        exploration().runs.remove(run)


def _answers(reader: "Maker") -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """What opaque functions give for which arguments; what cannot be made known is left out."""
    for call in list(opaque_calls()):
        try:
            yield call.function.__name__, tuple(map(reader.known, call.arguments)), reader.known(call.result())
        except Unrealised:
            continue


def _give_answers(reader: "Maker") -> None:
    """Each module answers the calls of the path; what cannot be made known is left out."""
    for call in list(calls_of_modules()):
        try:
            arguments = {name: reader.known(value) for name, value in call.arguments.items()}
            reader.module(call.module).answers.append((call.method, arguments, reader.known(call.result)))
        except Unrealised:
            continue


def completed_model(current: Path) -> Any:
    """A model of the path in which containers have no more than what was looked at."""
    for name in list(symbols().literals):
        current.solver.add(application("length", (literal(name),)) == len(name))
    counted = _lists_of_which_something_is_said()
    for root in counted:
        touch(root, z3.IntVal(0))
    for formula in _examples():
        current.solver.add(formula)
    apply_laws()
    while look_farther():
        pass
    _prefer_lists_that_are_known(current, counted)
    _prefer_short_lists(current)
    _prefer_names_that_can_be_made(current)
    first = _model(current)
    for formula in _equalities(first):
        current.solver.add(formula)
    for formula in _sums(first):
        current.solver.add(formula)
    return _model(current)


def _model(current: Path) -> Any:
    if current.solver.check() != z3.sat:
        raise Unrealised("no such state is small")
    return current.solver.model()


def _prefer_names_that_can_be_made(current: Path) -> None:
    """Names are long enough to tell them apart, and not too long, where that is possible on the path."""
    lengths = [term for (name, _, _), term in symbols().applications.items() if name == "length"]
    for term in lengths:
        fits = z3.And(term >= SHORTEST_NAME, term <= LONGEST_NAME)
        if current.possible(fits):
            current.solver.add(fits)


def _lists_of_which_something_is_said() -> list[Root]:
    """The lists of which there are sums, or statements about all items: these know only of items that are looked at."""
    roots = [law.view.root for law in _laws_of_rule()]
    roots += [each.root for group in sums().by_container.values() for each in group.values()]
    return list({root.identity: root for root in roots if root.within is within_list}.values())


def _prefer_lists_that_are_known(current: Path, roots: list[Root]) -> None:
    """Lists of which something is said have no more than the first item, which is looked at, if that is possible."""
    for root in roots:
        is_known = length_of(root) <= 1
        if current.possible(is_known):
            current.solver.add(is_known)


def _prefer_short_lists(current: Path) -> None:
    """Lists are short enough to be made, if that is possible on the path."""
    lengths = [term for (name, _, _), term in symbols().applications.items() if name.endswith(" length")]
    short = conjunction([term <= LONGEST for term in lengths])
    if current.possible(short):
        current.solver.add(short)


def _examples() -> Iterator[Any]:
    """Of each false statement there is an element of which it does not hold; a true one holds of all, near or far."""
    laws: list[Law] = []
    # What is said of an example may be a statement about the elements of a list that it has, which has an example too.
    while further := [law for law in _laws_of_rule() if law not in laws]:
        for law in further:
            root = law.view.root
            term = application(f"example {len(laws)} in {root.name}", root.arguments)
            laws.append(law)
            touch(root, term)
            holds = merged_formula(lambda law=law, term=term: law.view.holds_at(term, law.predicate))
            yield z3.Or(law.atom, z3.Not(holds))
    for law in laws:
        assumed = [formula for _, _, formula in law.assumed]
        for element in _touched().get(law.view.root.identity, []):
            holds = merged_formula(lambda law=law, term=element: law.view.holds_at(term, law.predicate))
            yield z3.Implies(conjunction([law.atom, *assumed]), holds)


def _laws_of_rule() -> list[Law]:
    return [law for group in knowledge().laws.values() for law in group if not law.is_lasting]


def _touched() -> dict[str, list[Any]]:
    return {name: [term for term, _ in terms.values()] for name, terms in knowledge().touched.items()}


def _equalities(model: Any) -> Iterator[Any]:
    """Elements are the same, or not, as in the first model."""
    for terms in _touched().values():
        for left, right in zip(terms, terms[1:], strict=False):
            are_same = model.eval(left, model_completion=True).eq(model.eval(right, model_completion=True))
            yield left == right if are_same else left != right


def _sums(model: Any) -> Iterator[Any]:
    for group in list(sums().by_container.values()):
        for each in list(group.values()):
            seen: list[int] = []
            total: Any = z3.IntVal(0)
            for term in _touched().get(each.root.identity, []):
                number = model.eval(term, model_completion=True).as_long()
                if number not in seen:
                    seen.append(number)
                    amount = merged_number(
                        lambda each=each, term=term: each.measure(each.root.key(term), each.root.value(term))
                    )
                    total = total + z3.If(each.root.has(term), lift(amount), z3.IntVal(0))
            yield each.term == total


@frozen(eq=False)
class Maker:
    """Makes known values of unknown ones, as they are in a model."""

    model: Any
    modules: dict[AnsweringModule, AnsweringModule] = field(factory=dict)
    """Those that were made, each by itself."""

    def number(self, term: Any) -> int:
        """The number of a term."""
        found: int = self.model.eval(term, model_completion=True).as_long()
        return found

    def known(self, value: Any) -> Any:
        """The known value."""
        kind = type(value)
        if is_unknown(value):
            return self.scalar(value)
        if kind is OneOf:
            return self.known(value._known)
        if issubclass(kind, Record):
            if value.kind is LinearMemory:
                pages = self.known(value.wasm_pages)
                return LinearMemory(pages, HashTrieMap({0: str(self.number(value.contents.term)).encode()}))
            return value.kind(**{one.alias: self.known(getattr(value, one.name)) for one in fields(value.kind)})
        if kind is UnknownMap:
            return Map.of((self.scalar_of(key), self.known(value.entries.get(key))) for key in self.keys(value.entries))
        if kind is UnknownQueue:
            return self.queue(value)
        if kind is UnknownList:
            return List(tuple(item for part in value.parts for item in self.items(part)))
        if kind is UnknownModule:
            return self.module(value)
        if kind is UnknownSet:
            return self.names_in(value)
        if kind is tuple:
            return tuple(map(self.known, value))
        if kind is List:
            return List(tuple(map(self.known, value)))
        if kind is Map:
            return Map.of((key, self.known(item)) for key, item in value.items())
        if is_attrs(kind) and kind.__module__.startswith("spec."):
            return kind(**{one.alias: self.known(getattr(value, one.name)) for one in fields(kind)})
        return value

    def module(self, value: UnknownModule) -> AnsweringModule:
        """The module that stands for an unknown one, with what it has."""
        name, arguments = value.origin
        made = AnsweringModule(name, tuple(map(self.number, arguments)))
        if made in self.modules:
            return self.modules[made]
        self.modules[made] = made
        for each in PROPERTIES:
            try:
                made.known_properties[each] = self.known(getattr(value, each))
            except Unrealised:
                continue
        return made

    def names_in(self, value: UnknownSet) -> frozenset[str]:
        """The names of which the path says that they are in a set of names of methods."""
        asked = [
            term
            for (name, _, _), term in list(symbols().applications.items())
            if name == f"{value.name} has"
            and self.arguments_before_the_last(term) == list(map(self.number, value.arguments))
        ]
        present = [term for term in asked if z3.is_true(self.model.eval(term, model_completion=True))]
        return frozenset(self.name(self.number(term.children()[-1]), str) for term in present)

    def arguments_before_the_last(self, term: Any) -> list[int]:
        """The numbers of all arguments of a term but the last one."""
        return [self.number(argument) for argument in term.children()[:-1]]

    def scalar_of(self, key: Any) -> Any:
        """A key, which may be known."""
        return self.scalar(key) if is_unknown(key) else key

    def scalar(self, value: Any) -> Any:
        """A number, truth value, name or member."""
        found = self.model.eval(value.term, model_completion=True)
        if type(value) is UnknownTruth:
            return z3.is_true(found)
        if type(value) is UnknownMember:
            # A member that the path did not look at is any.
            members = list(value.enumeration)
            return next((one for one in members if member_number(one) == found.as_long()), members[0])
        return self.name(found.as_long(), value.kind) if type(value) is UnknownName else found.as_long()

    def name(self, number: int, kind: Any) -> Any:
        """A name with this number: the known one, or one of its own, as long as the model says."""
        for known, its_number in symbols().literals.items():
            if its_number == number and (kind is None or type(known) is kind):
                return known
        text = f"~{number}"
        for (prefix, _, _), term in list(symbols().applications.items()):
            if prefix == "length" and self.number(term.arg(0)) == number:
                length = self.number(term)
                if length < len(text) or length > LONGEST_NAME:
                    raise Unrealised("a name is too short or too long")
                text = text.ljust(length, "~")
        return text if kind is str else text.encode()

    def keys(self, entries: Any) -> list[Any]:
        """The keys of the entries that there are, each once."""
        root = entries.root
        arguments = [self.number(argument) for argument in root.arguments]
        terms = []
        for identity, other in list(knowledge().roots.items()):
            if other.name == root.name and [self.number(argument) for argument in other.arguments] == arguments:
                terms += [term for term, _ in knowledge().touched[identity].values()]
        candidates = [root.key(term) for term in terms]
        candidates += [layer.key for layer in entries.layers if isinstance(layer, Put)]
        found: dict[int, Any] = {}
        for key in candidates:
            found.setdefault(self.number(lift(key)), key)
        return [key for key in found.values() if entries.has(key)]

    def queue(self, value: UnknownQueue) -> Any:
        """A queue: by ids, but those that entered at the old end."""
        in_front = {
            self.number(lift(layer.key))
            for layer in value.entries.layers
            if isinstance(layer, Entered) and layer.is_oldest
        }
        items = {self.number(lift(key)): self.known(value.entries.get(key)) for key in self.keys(value.entries)}
        order = sorted(
            items, key=lambda item_id: (item_id not in in_front, -item_id if item_id in in_front else item_id)
        )
        known = Queue(tuple((item_id, items[item_id]) for item_id in order), self.number(lift(value._next_id())))
        return known.extend(self.known(value.younger))

    def items(self, part: Any) -> list[Any]:
        """The items of a part of a list."""
        match part:
            case Placed():
                raise Unrealised("an item in the middle")
            case One(item):
                return [self.known(item)]
            case Collected(entries, selected, make):
                keys = [key for key in self.keys(entries) if selected(key, entries.get(key))]
                keys.sort(key=self.scalar_of)
                return [self.known(make(entries.get(key))) for key in keys]
            case Section(root, without, _, newest):
                length = self.number(length_of(root))
                if length > LONGEST:
                    raise Unrealised("a list is too long")
                gone = [self.number(lift(index)) for index in without]
                first = 0 if newest is None else length - self.number(lift(newest))
                return [self.known(part.item(index)) for index in range(first, length) if index not in gone]
        raise AssertionError(part)
