"""
Runs: a function is run once for each of its paths.

A run asks `truth` or `choose` wherever it depends on something unknown. The run then goes on with one answer, and is
repeated later with each of the others that can be true. A `Path` is a run of the whole question that is asked of a
rule; nested runs merge the cases of a small function into one formula, so that it does not multiply paths.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import attrs
import z3

from properties.proof.paths.refusal import Infeasible, NotFollowed, refusals
from properties.proof.terms.formulas import Formula, Term, conjunction
from properties.proof.terms.session import session
from properties.proof.terms.symbols import keep, natural_range

Result = TypeVar("Result")

SOLVER_MILLISECONDS = 20_000
"""How long the solver may think about one question."""


class Run:
    """One run of a function: answers to repeat, then new ones."""

    def __init__(self, given: list[int], isolated: bool = False) -> None:
        self.given = given
        self.isolated = isolated
        """Answers of enclosing runs do not count, so what is found here holds in all of them."""
        self.taken: list[int] = []
        self.others: list[list[int]] = []
        """The answers of runs that are still to be made."""
        self.trail: list[Formula] = []
        """What the answers say."""
        self.answers: dict[int, int] = {}
        """By the question's number in Z3."""
        self.narrowed: dict[int, list[int]] = {}
        """The options that are left of questions not yet answered."""
        self.same_as: dict[int, Term] = {}
        """Terms that were found equal to others, which stand for them from then on."""
        self._solver: Any = None

    @property
    def solver(self) -> Any:
        """Knows the trail. Most nested runs never need it."""
        if self._solver is None:
            self._solver = z3.SimpleSolver()
            self._solver.add(*self.trail)
        return self._solver

    def prepare(self) -> None:
        """Called before the solver is asked."""

    def add(self, formula: Formula) -> None:
        """Takes a formula for granted."""
        self.trail.append(formula)
        if self._solver is not None:
            self._solver.add(formula)

    def possible(self, formula: Formula) -> bool:
        """The formula does not contradict what is known. An unsure solver counts as yes."""
        if not self.trail and self._solver is None:
            return True
        self.solver.push()
        self.solver.add(formula)
        answer = self.solver.check()
        self.solver.pop()
        return bool(answer != z3.unsat)

    def pick(self, options: Sequence[Formula], about: int, left: Sequence[int]) -> int:
        """Takes one of the options that are left and possible, and notes the others."""
        position = len(self.taken)
        if position < len(self.given):
            pick = self.given[position]
        else:
            self.prepare()
            *first, last = left
            possible = [index for index in first if self.possible(options[index])]
            if not possible or self.possible(options[last]):
                possible.append(last)
            pick = possible[0]
            self.others += [[*self.taken, other] for other in possible[1:]]
        self.taken.append(pick)
        self.answers[about] = pick
        self.add(options[pick])
        return pick


class Path(Run):
    """A run of the whole question. Facts found on the way hold on this path."""

    def __init__(self, given: list[int]) -> None:
        super().__init__(given)
        self.solver.set("timeout", SOLVER_MILLISECONDS)
        self.known: set[int] = set()
        self.facts: list[Formula] = []
        self.before_questions: list[Callable[[], None]] = []
        """Run before the solver is asked, to bring in the laws that apply."""
        self.notes: dict[str, Any] = {}
        """What the parts of the runner remember along this path, by part."""

    def prepare(self) -> None:
        for action in self.before_questions:
            action()

    def learn(self, formula: Formula) -> None:
        """Adds a fact, once."""
        if formula.get_id() not in self.known:
            self.known.add(formula.get_id())
            self.facts.append(formula)
            self.solver.add(formula)


@attrs.define(eq=False)
class Exploration:
    """The runs that are under way in a session."""

    runs: list[Run] = attrs.field(factory=list)
    """The path first, then the nested runs, the innermost last."""
    collections: list[list[Formula]] = attrs.field(factory=list)
    """Where facts are noted, besides the path."""


def exploration() -> Exploration:
    """The runs of the open session."""
    return session().part(Exploration)


def path() -> Path:
    """The path that is being explored."""
    bottom = exploration().runs[0]
    assert isinstance(bottom, Path)
    return bottom


def guard() -> list[Formula]:
    """The answers of nested runs on which what is evaluated now depends."""
    formulas: list[Formula] = []
    for run in reversed(exploration().runs[1:]):
        formulas = run.trail + formulas
        if run.isolated:
            break
    return formulas


def guarding_answers() -> list[tuple[int, int, Formula]]:
    """The same with question and answer, to be repeated elsewhere."""
    answers: list[tuple[int, int, Formula]] = []
    for run in reversed(exploration().runs[1:]):
        answers = [
            (about, pick, formula) for (about, pick), formula in zip(run.answers.items(), run.trail, strict=True)
        ] + answers
        if run.isolated:
            break
    return answers


def learn(formula: Formula, *, always: bool = False) -> None:
    """A fact under the answers of the nested runs, or `always`."""
    conditions = [] if always else guard()
    closed = z3.Implies(conjunction(conditions), formula) if conditions else formula
    path().learn(closed)
    for collection in exploration().collections:
        collection.append(closed)


def collected(action: Callable[[], Result]) -> tuple[Result, list[Formula]]:
    """The result of an action and the facts learned by it."""
    collection: list[Formula] = []
    collections = exploration().collections
    collections.append(collection)
    try:
        return action(), collection
    finally:
        collections.pop()


def choose(options: Sequence[Formula], about: Formula | Term) -> int:
    """Which of some options holds; exactly one does. `about` identifies the question."""
    number = about.get_id()
    left: Sequence[int] = range(len(options))
    for run in reversed(exploration().runs):
        if number in run.answers:
            return run.answers[number]
        if number in run.narrowed:
            left = [option for option in left if option in run.narrowed[number]]
        if run.isolated:
            break
    if not left:
        raise Infeasible
    return left[0] if len(left) == 1 else exploration().runs[-1].pick(options, number, left)


def narrow(about: Formula | Term, left: Sequence[int]) -> None:
    """Only some options are left of a question, as follows from what was answered in this run or before."""
    narrowed = exploration().runs[-1].narrowed
    number = keep(about).get_id()
    narrowed[number] = [option for option in left if option in narrowed.get(number, left)]


def identify(term: Term, with_other: Term) -> None:
    """Two terms are equal, as follows from what was answered; the second stands for both."""
    if not term.eq(with_other):
        exploration().runs[-1].same_as[keep(term).get_id()] = keep(with_other)


def representative(term: Term) -> Term:
    """The term that stands for this one."""
    for run in reversed(exploration().runs):
        if term.get_id() in run.same_as:
            return representative(run.same_as[term.get_id()])
        if run.isolated:
            break
    return term


def truth(formula: Formula) -> bool:
    """Whether a formula is true on this path; both answers are explored if both are possible."""
    if z3.is_true(formula):
        return True
    if z3.is_false(formula):
        return False
    if z3.is_not(formula):
        return not truth(formula.arg(0))
    keep(formula)
    return choose([formula, z3.Not(formula)], formula) == 0


def learn_range(term: Term, size: int | None = None) -> None:
    """The term is a natural number, and below a size if one is given."""
    learn(natural_range(term, size), always=True)


def paths(question: Callable[[], Result]) -> Iterator[tuple[Path, Result]]:
    """Every path through a question, with what it gives."""
    work: list[list[int]] = [[]]
    runs = exploration().runs
    while work:
        current = Path(work.pop())
        runs.append(current)
        refusals().told.clear()
        try:
            result = question()
            yield current, result
        except Infeasible:
            pass
        finally:
            runs.remove(current)
            work += current.others


Cases = list[tuple[list[Formula], Result]]
"""Under which answers a function gives what."""


def cases(function: Callable[[], Result]) -> Cases[Result]:
    """
    The nested runs of a function: under which answers it gives what. Exactly one case holds.

    If it raises an exception in a case that is possible on the path, the exception is raised; impossible cases are
    left out.
    """
    found, raised = _nested(function, isolated=False, assumed=())
    for trail, problem in raised:
        if _is_possible(trail):
            if isinstance(problem, NotFollowed):
                refusals().told.append(problem)
            raise problem
    return found


def raised_in(function: Callable[[], Any]) -> list[Exception]:
    """The exceptions that a function raises in some case, which need not be possible."""
    _, raised = _nested(function, isolated=False, assumed=())
    return [problem for _, problem in raised]


def isolated_cases(
    function: Callable[[], Result], assumed: Sequence[tuple[int, int, Formula]] = ()
) -> tuple[Cases[Result], list[list[Formula]]]:
    """
    The same, for whatever path: nothing that was answered on this one counts, but what is assumed.

    Cases in which the function raises an exception come apart, since nobody can say whether they are possible.
    """
    found, raised = _nested(function, isolated=True, assumed=assumed)
    return found, [trail for trail, _ in raised]


def _nested(
    function: Callable[[], Result], isolated: bool, assumed: Sequence[tuple[int, int, Formula]]
) -> tuple[Cases[Result], list[tuple[list[Formula], Exception]]]:
    work: list[list[int]] = [[]]
    found: Cases[Result] = []
    raised: list[tuple[list[Formula], Exception]] = []
    runs, told = exploration().runs, refusals().told
    while work:
        run = Run(work.pop(), isolated)
        for about, pick, formula in assumed:
            run.answers[about] = pick
            run.add(formula)
        runs.append(run)
        before = len(told)
        try:
            result = function()
            found.append((run.trail[len(assumed) :], result))
        except Infeasible:
            del told[before:]
        except Exception as problem:
            # It counts as refused only once it is found possible.
            del told[before:]
            raised.append((run.trail[len(assumed) :], problem))
        finally:
            runs.pop()
            work += run.others
    return found, raised


def _is_possible(trail: Sequence[Formula]) -> bool:
    """The answers of the nested runs do not contradict what is known on the path, if that counts."""
    if any(run.isolated for run in exploration().runs):
        return True
    current = path()
    current.prepare()
    return current.possible(conjunction([*guard(), *trail]))
