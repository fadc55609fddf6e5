"""
What is known of the elements of a container of unknown size.

A statement about all elements (`every`, `none`) is an unknown truth value with a law: if it is true, the statement
holds of every element that is ever looked at; if it is false, there is an element of which it does not hold. A sum over
all elements is an unknown number; what relates two sums is found by looking at one element, about which nothing is
known but that it is in the container.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
import z3

from properties.proof.exploration import (
    Formula,
    Path,
    Term,
    collected,
    conjunction,
    guard,
    guarding_answers,
    keep,
    learn,
    path,
)
from properties.proof.signature import function_of, numbered
from properties.proof.terms import Unknown, UnknownNumber, UnknownTruth, application, merged_formula, merged_number
from properties.proof.unknown import Arguments, key_of, unknown

NEARNESS = 1
"""How many steps away from what a rule looks at laws are applied at first."""
FARTHEST = 2
"""How far they are applied before a proof is given up."""


@attrs.frozen(eq=False)
class Root:
    """The unknown contents of a container: which keys it has, and what is under them."""

    name: str
    arguments: Arguments
    key_kind: Any
    value_kind: Any
    within: Callable[["Root", Term], Formula] | None = None
    """Which keys there are, if that is known otherwise."""

    @property
    def identity(self) -> str:
        """The same text for the same container."""
        return f"{self.name}({','.join(str(argument.get_id()) for argument in self.arguments)})"

    def has(self, term: Term) -> Formula:
        """There is such a key."""
        if self.within is not None:
            return self.within(self, term)
        return application(f"{self.name} has", (*self.arguments, term), z3.BoolSort())

    def value(self, term: Term) -> Any:
        """What is under the key."""
        return unknown(self.value_kind, self.name, (*self.arguments, term))

    def key(self, term: Term) -> Any:
        """The key as a value."""
        return key_of(self.key_kind, term)

    def describe_to(self, describe: Callable[[Any], str]) -> str:
        """For the signature."""
        return f"{self.name}[{','.join(describe(Unknown(argument)) for argument in self.arguments)}]"


class View(Protocol):
    """A container as some rule has made it out of a root."""

    @property
    def root(self) -> Root: ...

    def holds_at(self, term: Term, predicate: Callable[..., Any]) -> Any:
        """There is no element that came from this key of the root, or the predicate holds of it."""
        ...


@attrs.frozen(eq=False)
class Law:
    """If `atom` is true, `predicate` holds of every element of `view`."""

    atom: Formula
    view: View
    predicate: Callable[..., Any]
    assumed: list[tuple[int, int, Formula]]
    is_lasting: bool
    """It says of every rule the same."""


@attrs.frozen(eq=False)
class Sum:
    """The sum of a measure over the elements of a root."""

    root: Root
    measure: Callable[[Any, Any], Any]
    term: Term


@attrs.define(eq=False)
class Knowledge:
    """What is remembered along one path."""

    laws: dict[str, list[Law]] = attrs.field(factory=dict)
    lawful: set[int] = attrs.field(factory=set)
    atoms: dict[int, tuple[View, Callable[..., Any]]] = attrs.field(factory=dict)
    touched: dict[str, dict[int, tuple[Term, int]]] = attrs.field(factory=dict)
    waiting: list[tuple[Law, Term, int]] = attrs.field(factory=list)
    postponed: list[tuple[Law, Term, int]] = attrs.field(factory=list)
    sums: dict[str, dict[int, Sum]] = attrs.field(factory=dict)
    witnessed: set[tuple[int, ...]] = attrs.field(factory=set)
    witness_of: dict[int, Term] = attrs.field(factory=dict)
    witnesses: dict[str, int] = attrs.field(factory=dict)
    """How many witnesses the claim in hand has, by container."""
    claims: list[Formula] = attrs.field(factory=list)
    """What is said of the witnesses of the claim in hand."""
    tried: set[str] = attrs.field(factory=set)
    distance: int = 0
    """How many steps what is evaluated now is away from what the rule looks at."""
    nearness: int = NEARNESS
    is_lasting: bool = False
    """What is evaluated now does not depend on the rule."""
    seeks_witnesses: bool = False
    """A statement is being refuted: say of what it would not hold, instead of using it as a law."""


@attrs.define(eq=False)
class Instance:
    """What a law says of one element, and what was found on the way."""

    formula: Formula = None
    facts: list[Formula] = attrs.field(factory=list)
    touches: list[tuple[Root, Term]] = attrs.field(factory=list)
    laws: list[Law] = attrs.field(factory=list)
    is_lasting: bool = False


_instances: dict[tuple[int, int], Instance] = {}
_recording: list[Instance] = []


def forget_instances() -> None:
    """Drops what was found for the predicates of one rule, before another one is asked about."""
    for key in [key for key, instance in _instances.items() if not instance.is_lasting]:
        del _instances[key]


def knowledge() -> Knowledge:
    """What is remembered along the current path."""
    current: Path = path()
    if "laws" not in current.notes:
        current.notes["laws"] = Knowledge()
        current.before_questions.append(apply_laws)
    known: Knowledge = current.notes["laws"]
    return known


def touch(root: Root, term: Term) -> None:
    """An element is looked at: the laws of its container apply to it."""
    keep(term)
    known = knowledge()
    for instance in _recording:
        instance.touches.append((root, term))
    touched = known.touched.setdefault(root.identity, {})
    number = term.get_id()
    if number in touched and touched[number][1] <= known.distance:
        return
    touched[number] = (term, known.distance)
    for law in known.laws.get(root.identity, []):
        known.waiting.append((law, term, known.distance))


def every(view: View, predicate: Callable[..., Any], *, always_law: bool = False) -> UnknownTruth:
    """Whether a predicate holds of every element of a view. `always_law`: also where a statement is refuted."""
    known = knowledge()
    atom = function_of("every", (view, predicate), z3.BoolSort())
    if known.seeks_witnesses:
        known.atoms[atom.get_id()] = (view, predicate)
        witness(atom)
    if always_law or not known.seeks_witnesses:
        known.atoms[atom.get_id()] = (view, predicate)
        enact(Law(atom, view, predicate, guarding_answers(), known.is_lasting))
    return UnknownTruth(atom)


def enact(law: Law) -> None:
    """From now on the law applies to the elements of its root, also to those looked at before."""
    known = knowledge()
    for instance in _recording:
        instance.laws.append(law)
    if law.atom.get_id() in known.lawful:
        return
    known.lawful.add(law.atom.get_id())
    known.laws.setdefault(law.view.root.identity, []).append(law)
    for term, distance in known.touched.get(law.view.root.identity, {}).values():
        known.waiting.append((law, term, distance))


def witness(atom: Formula) -> None:
    """If the statement is false, there is an element of which it does not hold."""
    known = knowledge()
    conditions = guard()
    question = (atom.get_id(), *(condition.get_id() for condition in map(keep, conditions)))
    if question in known.witnessed or atom.get_id() in known.lawful:
        return
    known.witnessed.add(question)
    view, predicate = known.atoms[atom.get_id()]
    if atom.get_id() not in known.witness_of:
        number = known.witnesses[view.root.identity] = known.witnesses.get(view.root.identity, 0) + 1
        known.witness_of[atom.get_id()] = application(f"witness {number} in {view.root.name}", view.root.arguments)
    term = known.witness_of[atom.get_id()]
    touch(view.root, term)
    holds = merged_formula(lambda: view.holds_at(term, predicate))
    found = z3.Or(atom, z3.Not(holds))
    known.claims.append(z3.Implies(conjunction(conditions), found) if conditions else found)


def begin_claim() -> None:
    """
    From here on statements are refuted.

    Witnesses of different claims are the same terms, so that laws need be applied to them once; what is said of them
    holds for one claim only.
    """
    known = knowledge()
    known.seeks_witnesses = True
    known.witnessed.clear()
    known.witness_of.clear()
    known.witnesses.clear()
    known.claims.clear()


def apply_laws() -> None:
    """Applies every law to every element that was looked at, as far as the elements are near."""
    known = knowledge()
    while known.waiting:
        law, term, distance = known.waiting.pop()
        if distance > known.nearness:
            known.postponed.append((law, term, distance))
            continue
        _apply(known, law, term, distance)


def _apply(known: Knowledge, law: Law, term: Term, distance: int) -> None:
    seeking, known.seeks_witnesses = known.seeks_witnesses, False
    before, known.distance = known.distance, distance + 1
    key = (law.atom.get_id(), term.get_id())
    if key in _instances:
        instance = _instances[key]
        for fact in instance.facts:
            learn(fact, always=True)
        for inner in instance.laws:
            enact(inner)
        for root, touched in instance.touches:
            touch(root, touched)
    else:
        instance = Instance(is_lasting=law.is_lasting)
        was_lasting, known.is_lasting = known.is_lasting, law.is_lasting
        _recording.append(instance)
        instance.formula, instance.facts = collected(
            lambda: merged_formula(lambda: law.view.holds_at(term, law.predicate), isolated=True, assumed=law.assumed)
        )
        _recording.pop()
        known.is_lasting = was_lasting
        keep(instance.formula)
        _instances[key] = instance
    conditions = [law.atom, *(formula for _, _, formula in law.assumed)]
    learn(z3.Implies(conjunction(conditions), instance.formula), always=True)
    known.seeks_witnesses, known.distance = seeking, before


def look_farther() -> bool:
    """Applies laws one step farther away. False if that was done already."""
    known = knowledge()
    if known.nearness >= FARTHEST:
        return False
    known.nearness += 1
    known.waiting, known.postponed = known.postponed, []
    apply_laws()
    return True


def sum_over(root: Root, measure: Callable[[Any, Any], Any]) -> UnknownNumber:
    """The sum of a measure over all elements of a root."""
    known = knowledge()
    term = function_of("sum", (root, measure))
    known.sums.setdefault(root.identity, {}).setdefault(term.get_id(), Sum(root, measure, term))
    return UnknownNumber(term)


def relate_sums() -> Iterator[Formula]:
    """Finds which sums are natural, zero, equal, or the sum of two others, and learns it."""
    known = knowledge()
    for identity, sums in list(known.sums.items()):
        group = list(sums.values())
        text = f"{identity}: {sorted(sums)}"
        if text in known.tried:
            continue
        known.tried.add(text)
        yield from _relations(group)


def _relations(group: list[Sum]) -> Iterator[Formula]:
    root = group[0].root
    term = application(f"any element {numbered(root.identity)}", root.arguments)
    touch(root, term)
    apply_laws()
    current = path()
    learned = len(current.facts)
    current.solver.push()
    current.solver.add(root.has(term))
    values = [_term(merged_number(lambda each=each: each.measure(root.key(term), root.value(term)))) for each in group]
    apply_laws()
    found = [each.term >= 0 for each, value in zip(group, values, strict=True) if _surely(current, value >= 0)]
    zero = [index for index, value in enumerate(values) if _surely(current, value == 0)]
    found += [group[index].term == 0 for index in zero]
    rest = [index for index in range(len(group)) if index not in zero]
    for left, right in itertools.combinations(rest, 2):
        if _surely(current, values[left] == values[right]):
            found.append(group[left].term == group[right].term)
    for whole in rest:
        for left, right in itertools.combinations([index for index in rest if index != whole], 2):
            if _surely(current, values[whole] == values[left] + values[right]):
                found.append(group[whole].term == group[left].term + group[right].term)
    current.solver.pop()
    # The solver forgot what was learned since; it holds all the same.
    for fact in current.facts[learned:]:
        current.solver.add(fact)
    yield from found


def _term(value: Any) -> Any:
    return z3.IntVal(value) if isinstance(value, int) else value.term


def _surely(current: Path, formula: Formula) -> bool:
    return not current.possible(z3.Not(formula))
