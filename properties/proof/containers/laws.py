"""
What is known of the elements of a container of unknown size.

A statement about all elements (`every`, `none`) is an unknown truth value with a law: if it is true, the statement
holds of every element that is ever looked at; if it is false, there is an element of which it does not hold. While a
rule runs the first is used (`Assumption`), while a claim is proved the second (`Goal`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import attrs
import z3

from properties.proof.paths.refusal import NotFollowed, told
from properties.proof.paths.runs import (
    Path,
    cases,
    collected,
    guard,
    guarding_answers,
    isolated_cases,
    learn,
    path,
    raised_in,
)
from properties.proof.terms.formulas import Formula, Term, conjunction, disjunction
from properties.proof.terms.session import session
from properties.proof.terms.symbols import application, keep
from properties.proof.values.merging import formula_of, merged_formula
from properties.proof.values.scalars import UnknownScalar, UnknownTruth
from properties.proof.values.signature import function_of, numbered, signature
from properties.proof.values.unknown import Arguments, key_of, unknown

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
        return f"{self.name}({','.join(str(keep(argument).get_id()) for argument in self.arguments)})"

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
        return f"{self.name}[{','.join(describe(UnknownScalar(argument)) for argument in self.arguments)}]"


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


@attrs.define(eq=False)
class Knowledge:
    """What is remembered along one path."""

    laws: dict[str, list[Law]] = attrs.field(factory=dict)
    lawful: set[int] = attrs.field(factory=set)
    touched: dict[str, dict[int, tuple[Term, int]]] = attrs.field(factory=dict)
    """The elements that were looked at and how far away they are, by container."""
    roots: dict[str, Root] = attrs.field(factory=dict)
    """The containers of these elements."""
    waiting: list[tuple[Law, Term, int]] = attrs.field(factory=list)
    postponed: list[tuple[Law, Term, int]] = attrs.field(factory=list)
    defined: set[tuple[Any, ...]] = attrs.field(factory=set)
    """The functions that were found defined for each element of a container."""
    distance: int = 0
    """How many steps what is evaluated now is away from what the rule looks at."""
    nearness: int = NEARNESS
    stance: "Assumption | Goal" = attrs.field(factory=lambda: Assumption())
    """What becomes of statements about all elements that are made now."""


@attrs.define(eq=False)
class LawInstance:
    """What a law says of one element, and what was found on the way."""

    formula: Formula = None
    facts: list[Formula] = attrs.field(factory=list)
    touches: list[tuple[Root, Term]] = attrs.field(factory=list)
    laws: list[Law] = attrs.field(factory=list)
    is_lasting: bool = False


InstanceKey = tuple[int, int, tuple[tuple[int, int], ...]]
"""The law's atom, the element, and the answers under which the law holds: what an instance depends on, and no more."""


@attrs.define(eq=False)
class LawInstances:
    """What laws say of elements, found once in a session and used on every path."""

    known: dict[InstanceKey, LawInstance] = attrs.field(factory=dict)
    recording: list[LawInstance] = attrs.field(factory=list)
    """Those that are being found."""

    def forget_rule(self) -> None:
        """Drops what was found for the predicates of one rule, before another one is asked about."""
        self.known = {key: instance for key, instance in self.known.items() if instance.is_lasting}


def instances() -> LawInstances:
    """Those of the open session."""
    return session().part(LawInstances)


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
    for instance in instances().recording:
        instance.touches.append((root, term))
    touched = known.touched.setdefault(root.identity, {})
    known.roots.setdefault(root.identity, root)
    number = term.get_id()
    if number in touched and touched[number][1] <= known.distance:
        return
    touched[number] = (term, known.distance)
    for law in known.laws.get(root.identity, []):
        known.waiting.append((law, term, known.distance))


@attrs.frozen(eq=False)
class Assumption:
    """
    Statements are used: one that is true is a law for every element that is looked at.

    So it is while a rule runs, and while the invariants of the state before are taken for granted.
    """

    is_lasting: bool = False
    """The statements are the same for every rule."""

    def every(self, atom: Formula, view: View, predicate: Callable[..., Any]) -> None:
        """A statement about all elements of a view is made."""
        if not self.is_lasting:
            look_at_any(view, predicate)
        enact(Law(atom, view, predicate, guarding_answers(), self.is_lasting))


@attrs.define(eq=False)
class Goal:
    """
    Statements are to be refuted: of one that is false there is a witness, an element of which it does not hold.

    Witnesses of different goals are the same terms, so that laws need be applied to them once; what is said of them
    holds for one goal only.
    """

    said: list[Formula] = attrs.field(factory=list)
    """What is said of the witnesses."""
    _questions: set[tuple[int, ...]] = attrs.field(factory=set)
    _witness_of: dict[int, Term] = attrs.field(factory=dict)
    _witnesses: dict[str, int] = attrs.field(factory=dict)
    """How many there are, by container."""

    def every(self, atom: Formula, view: View, predicate: Callable[..., Any]) -> None:
        """A statement about all elements of a view is made."""
        conditions = guard()
        question = (atom.get_id(), *(condition.get_id() for condition in map(keep, conditions)))
        if question in self._questions or atom.get_id() in knowledge().lawful:
            return
        self._questions.add(question)
        term = self._witness(atom, view.root)
        touch(view.root, term)
        holds = merged_formula(lambda: view.holds_at(term, predicate))
        found = z3.Or(atom, z3.Not(holds))
        self.said.append(z3.Implies(conjunction(conditions), found) if conditions else found)

    def _witness(self, atom: Formula, root: Root) -> Term:
        if atom.get_id() not in self._witness_of:
            number = self._witnesses[root.identity] = self._witnesses.get(root.identity, 0) + 1
            self._witness_of[atom.get_id()] = application(f"witness {number} in {root.name}", root.arguments)
        return self._witness_of[atom.get_id()]


@contextmanager
def taking(stance: Assumption | Goal) -> Iterator[None]:
    """Statements are used, or to be refuted, while this lasts."""
    known = knowledge()
    before, known.stance = known.stance, stance
    try:
        yield
    finally:
        known.stance = before


def every(view: View, predicate: Callable[..., Any]) -> UnknownTruth:
    """Whether a predicate holds of every element of a view."""
    atom = function_of("every", (view, predicate), z3.BoolSort())
    knowledge().stance.every(atom, view, predicate)
    return UnknownTruth(atom)


def every_by_law(view: View, predicate: Callable[..., Any]) -> UnknownTruth:
    """The same; it is a law also where statements are refuted."""
    found = every(view, predicate)
    enact(Law(found.term, view, predicate, guarding_answers(), is_lasting=False))
    return found


def enact(law: Law) -> None:
    """From now on the law applies to the elements of its root, also to those looked at before."""
    known = knowledge()
    for instance in instances().recording:
        instance.laws.append(law)
    if law.atom.get_id() in known.lawful:
        return
    known.lawful.add(law.atom.get_id())
    known.laws.setdefault(law.view.root.identity, []).append(law)
    for term, distance in known.touched.get(law.view.root.identity, {}).values():
        known.waiting.append((law, term, distance))


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
    before, known.distance = known.distance, distance + 1
    found = instances().known
    key = (law.atom.get_id(), term.get_id(), tuple((about, pick) for about, pick, _ in law.assumed))
    try:
        with taking(Assumption(law.is_lasting)):
            if key in found:
                _repeat(found[key])
            else:
                found[key] = _instance(law, term)
    finally:
        known.distance = before
    conditions = [law.atom, *(formula for _, _, formula in law.assumed)]
    learn(z3.Implies(conjunction(conditions), found[key].formula), always=True)


def _repeat(instance: LawInstance) -> None:
    """Learns on this path what was found on another."""
    for fact in instance.facts:
        learn(fact, always=True)
    for inner in instance.laws:
        enact(inner)
    for root, touched in instance.touches:
        touch(root, touched)


def _instance(law: Law, term: Term) -> LawInstance:
    """
    What a law says of an element, on whatever path.

    Of cases in which the statement is not defined it says nothing: nobody can say here whether they are possible.
    Whether a rule's statement is defined is found when the rule makes it (`look_at_any`).
    """
    instance = LawInstance(is_lasting=law.is_lasting)
    recording = instances().recording
    recording.append(instance)
    try:
        (found, undefined), instance.facts = collected(
            lambda: isolated_cases(lambda: law.view.holds_at(term, law.predicate), law.assumed)
        )
    finally:
        recording.pop()
    for _, _, formula in law.assumed:
        keep(formula)
    silent = [conjunction(trail) for trail in undefined]
    instance.formula = keep(disjunction([formula_of(found), *silent]))
    return instance


def look_at_any(view: View, function: Callable[..., Any]) -> None:
    """
    Refuses a function that is not defined for each element of a view.

    The specification applies it to each at once; here that happens later, to some. So it is tried on an element of
    which nothing is known but that it is there.
    """
    known = knowledge()
    if isinstance(known.stance, Assumption) and known.stance.is_lasting:
        return
    text, terms = signature((view, function))
    question = (numbered(text), *(keep(term).get_id() for term in terms), *(keep(each).get_id() for each in guard()))
    if question in known.defined:
        return
    known.defined.add(question)
    term = any_element_of(view.root)
    before, known.distance = known.distance, FARTHEST + 1
    try:
        with taking(Assumption()):
            if not raised_in(lambda: view.holds_at(term, function)):
                return
            # Laws that hold of the element may say that these cases do not arise.
            known.distance = before
            touch(view.root, term)
            apply_laws()
            cases(lambda: view.holds_at(term, function))
    except Exception as problem:
        what = f"a function is not defined for every element of {view.root.name}: {told(problem)}"
        raise NotFollowed(what) from problem
    finally:
        known.distance = before


def look_farther() -> bool:
    """Applies laws one step farther away. False if that was done already."""
    known = knowledge()
    if known.nearness >= FARTHEST:
        return False
    known.nearness += 1
    known.waiting, known.postponed = known.postponed, []
    apply_laws()
    return True


def any_element_of(root: Root) -> Term:
    """The key of an element of which nothing is known."""
    return application(f"any element {numbered(root.identity)}", root.arguments)
