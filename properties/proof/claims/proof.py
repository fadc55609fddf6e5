"""
Proofs: every path of a rule is explored, and each obligation of each path is put to the solver.

A rule is run on an unknown state that satisfies every invariant, with unknown free variables. An obligation is put to
the solver as its negation; only `unsat` counts as proved. Whatever the prover cannot follow is a failure that says so,
with file and line; so are a path on which the rule is silent, and a rule that gives something else than a step.
"""

import time
import typing
from collections.abc import Callable
from enum import Enum
from inspect import signature as signature_of
from typing import Any

import attrs
import z3

from properties.proof.claims.annotations import broken_annotation
from properties.proof.claims.counterexample import Counterexample, counterexample_of
from properties.proof.claims.obligations import Claim, Fired, claims_of
from properties.proof.containers.laws import (
    Assumption,
    Goal,
    apply_laws,
    instances,
    look_farther,
    taking,
)
from properties.proof.containers.sums import relate_sums
from properties.proof.meaning.admission import not_admitted
from properties.proof.meaning.modules import opaque_calls
from properties.proof.meaning.symbolic_meaning import body_on_unknown_values, new_session, symbolic_meaning
from properties.proof.paths.refusal import refusals, told
from properties.proof.paths.runs import Path, learn, path, paths
from properties.proof.terms.formulas import Formula, conjunction
from properties.proof.terms.session import Session, opened
from properties.proof.values.merging import merged_formula
from properties.proof.values.unknown import unknown
from spec.invariants import INVARIANTS
from spec.state.state import State
from spec.transition import NotEnabled, Rule, Step, Unspecified


class Verdict(Enum):
    """What became of an obligation."""

    PROVED = "proved"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The solver gave up. Counts as a failure."""


@attrs.frozen
class Obligation:
    """One thing to be shown of one path."""

    name: str
    path: int
    """0 if it is one of the rule, not of a path."""
    verdict: Verdict
    counterexample: Counterexample | None = None


@attrs.define
class RuleReport:
    """What was shown of a rule."""

    rule: str
    paths: int = 0
    """On which the rule fires or does not."""
    firing_paths: int = 0
    """On which it fires, and to which there is a state, with all that was assumed on the way."""
    contradictory_paths: int = 0
    """On which it would fire, but to which there is no state: nothing is to be shown of them."""
    obligations: list[Obligation] = attrs.field(factory=list)
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        """How many obligations have this verdict."""
        return sum(obligation.verdict is verdict for obligation in self.obligations)

    @property
    def is_proved(self) -> bool:
        """Every obligation is proved."""
        return self.count(Verdict.PROVED) == len(self.obligations)

    def fail(self, what: str, counterexample: Counterexample | None = None, of_path: int = 0) -> None:
        """Something is not as it has to be."""
        self.obligations.append(Obligation(what, of_path, Verdict.FAILED, counterexample))


Export = Callable[[str, int, str, str], None]
"""Takes rule, path, obligation and its SMT-LIB text."""

Confirmation = Callable[[str], bool]
"""Takes the SMT-LIB text of an obligation; whether another solver finds it proved, too."""

Wanted = Callable[[str], bool]
"""Takes the name of an obligation; whether it is to be proved."""


@attrs.frozen
class Demand:
    """What is to be proved, and what becomes of the proofs."""

    wanted: Wanted = lambda name: True
    export: Export | None = None
    confirms: Confirmation | None = None


def unknown_state() -> State:
    """A state of which nothing is known but the invariants."""
    state: State = unknown(State, "state")
    with taking(Assumption(is_lasting=True)):
        for each in INVARIANTS.values():
            learn(merged_formula(lambda each=each: each.holds(state)), always=True)
    return state


def unknown_choices(rule: Rule) -> dict[str, Any]:
    """Unknown values for the free variables of a rule, also for one that has a default."""
    hints = typing.get_type_hints(rule.body, include_extras=True)
    return {name: unknown(hints[name], name) for name in signature_of(rule.body).parameters if name != "state"}


def prove(claim: Claim) -> tuple[Verdict, Formula]:
    """Whether a claim follows from what is known on the current path; and the formula that then must be true."""
    goal = Goal()
    with taking(goal):
        claimed = merged_formula(claim)
    apply_laws()
    current = path()
    formula = z3.Implies(conjunction(goal.said), claimed)
    answer = refute(current, formula)
    if answer != z3.unsat:
        for relation in list(relate_sums()):
            current.learn(relation)
        answer = refute(current, formula)
    while answer != z3.unsat and look_farther():
        answer = refute(current, formula)
    if answer == z3.unsat:
        return Verdict.PROVED, formula
    return (Verdict.FAILED if answer == z3.sat else Verdict.UNKNOWN), formula


def refute(current: Path, formula: Formula) -> Any:
    """Asks for a state in which the formula is false."""
    current.solver.push()
    current.solver.add(z3.Not(formula))
    answer = current.solver.check()
    current.solver.pop()
    return answer


Outcome = Fired | NotEnabled | Unspecified | Exception
"""What became of a rule on a path."""


def examine(rule: Rule) -> Outcome:
    """Runs a rule on unknown values along one path."""
    try:
        state = unknown_state()
        choices = unknown_choices(rule)
        step = attrs.evolve(rule, body=body_on_unknown_values(rule))(state, **choices)
    except Exception as problem:
        return problem
    if refusals().told:
        # The rule may have caught it, and gone on as if nothing had happened.
        return refusals().told[0]
    if isinstance(step, Step) and isinstance(step.state, State):
        return Fired(state, choices, step)
    if isinstance(step, NotEnabled | Unspecified):
        return step
    return TypeError(f"the rule gives a {type(step).__name__} instead of a step")


def prove_rule(
    rule: Rule,
    *,
    demand: Demand | None = None,
    replaced: dict[Any, Any] | None = None,
    stop_at_failure: bool = False,
    session: Session | None = None,
) -> RuleReport:
    """
    Explores every path of a rule and tries to prove each of its obligations.

    `replaced`: functions that others stand for, of which a session that is used for other rules may know nothing.
    `stop_at_failure`: no further path is explored after the first one with a failure.
    """
    started = time.monotonic()
    report = RuleReport(rule.name)
    demand = Demand() if demand is None else demand
    with opened(new_session() if session is None or replaced else session):
        instances().forget_rule()
        for problem in not_admitted(rule, replaced or {}):
            report.fail(f"the prover can follow the rule: {problem}")
        opaque_functions: dict[str, Callable[..., Any]] = {}
        if report.is_proved:
            with symbolic_meaning(replaced):
                _prove_paths(rule, report, demand, stop_at_failure, opaque_functions)
        for name, function in opaque_functions.items():
            if (broken := broken_annotation(function)) is not None:
                report.fail(f"{name} gives what its annotation says: {broken}")
    report.seconds = time.monotonic() - started
    return report


def _prove_paths(
    rule: Rule,
    report: RuleReport,
    demand: Demand,
    stop_at_failure: bool,
    opaque_functions: dict[str, Callable[..., Any]],
) -> None:
    for current, outcome in paths(lambda: examine(rule)):
        report.paths += 1
        opaque_functions |= {call.function.__name__: call.function for call in opaque_calls()}
        match outcome:
            case Fired():
                _prove_path(rule, report, current, outcome, demand)
            case Unspecified(because=because):
                _fail_path(report, current, f"the rule says what happens: it is silent, because {because}")
            case Exception():
                _fail_path(report, current, f"the rule is defined: {told(outcome)}")
        if stop_at_failure and not report.is_proved:
            return
    fires = Verdict.PROVED if report.firing_paths else Verdict.FAILED
    report.obligations.append(Obligation("some path fires", 0, fires))


def _fail_path(report: RuleReport, current: Path, what: str) -> None:
    report.fail(what, counterexample_of(current, None, z3.BoolVal(False)), report.paths)


def _prove_path(rule: Rule, report: RuleReport, current: Path, fired: Fired, demand: Demand) -> None:
    if current.solver.check() == z3.unsat:
        report.contradictory_paths += 1
        return
    found: list[Obligation] = []
    for name, claim in claims_of(rule, fired):
        if demand.wanted(name):
            found.append(_proved(rule, report.paths, current, fired, name, claim, demand))
    # Laws that were applied since may have shown that there is no such state after all.
    if current.solver.check() == z3.unsat:
        report.contradictory_paths += 1
        return
    report.firing_paths += 1
    report.obligations += found


def _proved(
    rule: Rule, number: int, current: Path, fired: Fired, name: str, claim: Claim, demand: Demand
) -> Obligation:
    refusals().told.clear()
    try:
        verdict, formula = prove(claim)
        if refusals().told:
            raise refusals().told[0]
    except Exception as problem:
        return Obligation(f"{name}: {told(problem)}", number, Verdict.FAILED)
    counterexample = None if verdict is Verdict.PROVED else counterexample_of(current, fired, formula)
    text = "" if demand.export is None and demand.confirms is None else smtlib(current, formula)
    if demand.export is not None:
        demand.export(rule.name, number, name, text)
    if demand.confirms is not None and verdict is Verdict.PROVED and not demand.confirms(text):
        name, verdict = f"{name}: the second solver does not confirm it", Verdict.UNKNOWN
    return Obligation(name, number, verdict, counterexample)


def smtlib(current: Path, formula: Formula) -> str:
    """An obligation for any solver: the answer must be `unsat`."""
    solver = z3.Solver()
    solver.add(*current.solver.assertions(), z3.Not(formula))
    text: str = solver.to_smt2()
    return text
