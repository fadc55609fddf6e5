"""
Attacks: rules that are wrong, in the hope that the prover calls them proved.

Each attack is a change to one small rule, which is right as it stands. The prover has to refute it, with an obligation
that fails, or to refuse it, with file and line of what it cannot follow.
"""

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

import spec.rules  # noqa: F401
from properties.proof.claims.proof import Demand, RuleReport, Verdict, prove_rule
from properties.proof.terms.session import Session
from spec.transition import OPAQUE, RULES, Rule

TEXT = '''"""A rule under attack."""

from collections.abc import Callable
from enum import Enum
from functools import partial, wraps
from typing import Any

from attrs import evolve, field, frozen

from spec import invariants, transition as transitions
from spec.rules.modules import code_of, module_of, module_or_defect
from spec.rules.resources import memory_usage_of_snapshots, memory_usage_of_wasm_state
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, Empty, HookStatus, Stopped, Stopping
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromCanister, FromUser
from spec.state.request import Replied
from spec.state.snapshot import Snapshot
from spec.state.state import State
from spec.transition import Burned, BurnReason, Minted, MintReason, Step, opaque, require, transition, unspecified
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import Blob, CanisterId, MessageId, Principal, SnapshotId
from spec.values.quantities import Credited, Cycles, Nanoseconds, credited
from spec.values.rejects import Reject, RejectCode

{helpers}

@transition(title="Under attack", source="ours#attack")
def {name}(state: State, *, canister_id: CanisterId, amount: Cycles, {choices}) -> Step:
    """Nothing happens to a canister."""
    # CONDITIONS
    require(canister_id in state.canisters, "the canister exists")
    canister = state.canisters[canister_id]
    {conditions}

    # STATE AFTER
    {before}
    changed_canister = evolve(canister, balance=canister.balance + ({extra}))
    after = evolve(state, canisters=state.canisters.set(canister_id, changed_canister))
    return {step}
'''

CONSERVATION = frozenset({"cycles are conserved"})


@frozen
class Attack:
    """A change to the rule. What is not changed is right."""

    title: str
    """What the attack hopes for."""
    expected: str
    """In the obligation that fails."""
    extra: str = "0"
    """What is added to the balance of the canister."""
    helpers: str = ""
    choices: str = ""
    conditions: str = ""
    before: str = ""
    """Statements between conditions and the state after."""
    step: str = "Step(after)"
    obligations: frozenset[str] = CONSERVATION
    """What is tried to be proved."""
    is_refused: bool = False
    """The prover says where it cannot follow, rather than what is wrong."""

    def __str__(self) -> str:
        return self.title


_numbers = itertools.count()


@contextmanager
def attacked(attack: Attack, folder: Path) -> Iterator[Rule]:
    """The rule with the attack made, among the rules for a while."""
    name = f"attacked_{next(_numbers)}"
    parts = {part: getattr(attack, part) for part in ("helpers", "choices", "extra", "step")}
    parts |= {part: getattr(attack, part).replace("\n", "\n    ") for part in ("conditions", "before")}
    file = folder / f"{name}.py"
    file.write_text(TEXT.format(name=name, **parts), encoding="utf-8")
    module_name = f"spec.rules.{name}"
    found = importlib.util.spec_from_file_location(module_name, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    rules, opaque = dict(RULES), dict(OPAQUE)
    sys.modules[module_name] = module
    try:
        found.loader.exec_module(module)
        yield RULES[name]
    finally:
        del sys.modules[module_name]
        for registry, before in ((RULES, rules), (OPAQUE, opaque)):
            registry.clear()
            registry.update(before)


def report_of(attack: Attack, folder: Path, session: Session | None = None) -> RuleReport:
    """What the prover says of the rule with the attack made."""
    with attacked(attack, folder) as rule:
        return prove_rule(
            rule, demand=Demand(wanted=lambda name: name in attack.obligations), stop_at_failure=True, session=session
        )


def failures(report: RuleReport) -> list[str]:
    """The obligations that are not proved."""
    return [each.name for each in report.obligations if each.verdict is not Verdict.PROVED]
