"""
Obligations: what must be true of every path of every rule.

A rule is run on an unknown state that satisfies every invariant, with unknown free variables. Each obligation of each
path on which it fires is put to the solver as its negation; only `unsat` counts as proved.

Taken for granted are the laws of the containers, that a function annotated with a natural number gives one, and what
`CanisterModule` promises; opaque functions and modules are otherwise arbitrary. The order of a queue is left open.
"""

import time
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from inspect import signature as signature_of
from typing import Any

import attrs
import z3

from properties.proof.counterexample import Counterexample, counterexample_of
from properties.proof.exploration import Formula, Path, Refused, conjunction, learn, path, paths
from properties.proof.interpretation import body_on_unknown_values, symbolic_meaning
from properties.proof.laws import apply_laws, begin_claim, forget_instances, knowledge, look_farther, relate_sums
from properties.proof.naturals import is_natural_state, is_natural_step
from properties.proof.special import SPECIAL_OBLIGATIONS
from properties.proof.terms import merged_formula, merged_number
from properties.proof.unknown import unknown
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.state.state import State, total_cycles
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
    obligations: list[Obligation] = attrs.field(factory=list)
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        """How many obligations have this verdict."""
        return sum(obligation.verdict is verdict for obligation in self.obligations)

    @property
    def is_proved(self) -> bool:
        """Every obligation is proved."""
        return self.count(Verdict.PROVED) == len(self.obligations)


Export = Callable[[str, int, str, str], None]
"""Takes rule, path, obligation and its SMT-LIB text."""

Confirmation = Callable[[str], bool]
"""Takes the SMT-LIB text of an obligation; whether another solver finds it proved, too."""


Claim = Callable[[], Any]
"""Gives the truth value that is to be proved."""


def unknown_state() -> State:
    """A state of which nothing is known but the invariants."""
    state: State = unknown(State, "state")
    known = knowledge()
    known.is_lasting = True
    for each in INVARIANTS.values():
        learn(merged_formula(lambda each=each: each.holds(state)), always=True)
    known.is_lasting = False
    return state


def unknown_choices(rule: Rule) -> dict[str, Any]:
    """Unknown values for the free variables of a rule."""
    hints = typing.get_type_hints(rule.body, include_extras=True)
    return {name: unknown(hints[name], name) for name in signature_of(rule.body).parameters if name != "state"}


@attrs.frozen(eq=False)
class Fired:
    """A rule ran on unknown values and fired."""

    before: State
    choices: dict[str, Any]
    step: Step


def claims_of(rule: Rule, fired: Fired) -> Iterator[tuple[str, Claim]]:
    """The obligations of a path on which a rule fired."""
    before, step = fired.before, fired.step
    yield "cycles are conserved", partial(conserves_cycles, before, step)
    yield "naturals are not negative", partial(is_natural, before, step)
    for invariant in INVARIANTS.values():
        yield invariant.name, partial(invariant.holds, step.state)
    for step_invariant in STEP_INVARIANTS.values():
        yield step_invariant.name, partial(step_invariant.holds, before, step)
    for name, special in SPECIAL_OBLIGATIONS.get(rule.name, {}).items():
        yield name, partial(special, before, fired.choices, step)


def is_natural(before: State, step: Step) -> bool:
    """No natural number that the step sets is negative."""
    return is_natural_step(step) and is_natural_state(before, step.state)


def conserves_cycles(before: State, step: Step) -> Any:
    """Cycles before and minted are the cycles after and burned."""
    had = merged_number(lambda: total_cycles(before))
    has = merged_number(lambda: total_cycles(step.state))
    return had + sum(each.cycles for each in step.minted) == has + sum(each.cycles for each in step.burned)


def prove(claim: Claim) -> tuple[Verdict, Formula]:
    """Whether a claim follows from what is known on the current path; and the formula that then must be true."""
    known = knowledge()
    begin_claim()
    claimed = merged_formula(claim)
    known.seeks_witnesses = False
    apply_laws()
    current = path()
    formula = z3.Implies(conjunction(known.claims), claimed)
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


def examine(rule: Rule) -> Fired | NotEnabled | Unspecified | Exception:
    """Runs a rule on unknown values along one path."""
    state = unknown_state()
    choices = unknown_choices(rule)
    try:
        step = attrs.evolve(rule, body=body_on_unknown_values(rule))(state, **choices)
    except (Refused, AssertionError) as problem:
        return problem
    return Fired(state, choices, step) if isinstance(step, Step) else step


def prove_rule(
    rule: Rule,
    *,
    replaced: dict[Any, Any] | None = None,
    stop_at_failure: bool = False,
    export: Export | None = None,
    confirms: Confirmation | None = None,
) -> RuleReport:
    """
    Explores every path of a rule and tries to prove each of its obligations.

    `stop_at_failure`: no further path is explored after the first one with a failure.
    """
    started = time.monotonic()
    report = RuleReport(rule.name)
    forget_instances()
    with symbolic_meaning(replaced):
        for current, result in paths(lambda: examine(rule)):
            report.paths += 1
            if isinstance(result, Exception):
                what = f"the rule is defined: {result}"
                report.obligations.append(
                    Obligation(what, report.paths, Verdict.FAILED, counterexample_of(current, None, z3.BoolVal(False)))
                )
            elif isinstance(result, Fired):
                _prove_path(rule, report, current, result, export, confirms)
                report.firing_paths += current.solver.check() == z3.sat
            if stop_at_failure and not report.is_proved:
                break
    if not stop_at_failure or report.is_proved:
        fires = Verdict.PROVED if report.firing_paths else Verdict.FAILED
        report.obligations.append(Obligation("some path fires", 0, fires))
    report.seconds = time.monotonic() - started
    return report


def _prove_path(
    rule: Rule,
    report: RuleReport,
    current: Path,
    fired: Fired,
    export: Export | None,
    confirms: Confirmation | None,
) -> None:
    for name, claim in claims_of(rule, fired):
        try:
            verdict, formula = prove(claim)
        except (Refused, AssertionError) as problem:
            report.obligations.append(Obligation(f"{name}: {problem}", report.paths, Verdict.FAILED))
            continue
        found = None if verdict is Verdict.PROVED else counterexample_of(current, fired, formula)
        text = "" if export is None and confirms is None else smtlib(current, formula)
        if export is not None:
            export(rule.name, report.paths, name, text)
        if confirms is not None and verdict is Verdict.PROVED and not confirms(text):
            name, verdict = f"{name}: the second solver does not confirm it", Verdict.UNKNOWN
        report.obligations.append(Obligation(name, report.paths, verdict, found))


def smtlib(current: Path, formula: Formula) -> str:
    """An obligation for any solver: the answer must be `unsat`."""
    solver = z3.Solver()
    solver.add(*current.solver.assertions(), z3.Not(formula))
    text: str = solver.to_smt2()
    return text
