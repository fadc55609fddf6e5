"""
Judges implementations of the Internet Computer by its specification.

What is listed here is all that scenarios and experiments need; `docs/how-to/write-a-scenario.md` shows it at work. What
it is made of may move.
"""

from typing import TYPE_CHECKING, Final

from spec.public_names import public_names

if TYPE_CHECKING:
    from conformance.canisters import ic0, library, scripted
    from conformance.canisters.scripted import program
    from conformance.judging.environment import CALM, HOSTILE, Environment, loaded
    from conformance.judging.patterns import (
        Pattern,
        is_unanswered,
        refuses,
        rejects,
        rejects_with,
        replies,
        replies_where,
        replies_with,
    )
    from conformance.judging.verdicts import Fail, Inconclusive, NotApplicable, Pass, Verdict
    from conformance.protocol.interface import Capability, Implementation, Needs
    from conformance.protocol.stdio import StdioImplementation
    from conformance.running.case import Case, Manner
    from conformance.running.run import judge
    from conformance.served.specification import SpecificationImplementation
    from conformance.suite.acting import Sent
    from conformance.suite.loading import all_scenarios, scenarios_of_file
    from conformance.suite.people import ADMIN, ALICE, BOB, EVE
    from conformance.suite.scenario import Scenario, scenario
    from conformance.suite.stage import MUCH, Stage

__all__ = [
    "ADMIN",
    "ALICE",
    "BOB",
    "CALM",
    "Capability",
    "Case",
    "EVE",
    "Environment",
    "Fail",
    "HOSTILE",
    "Implementation",
    "Inconclusive",
    "MUCH",
    "Manner",
    "Needs",
    "NotApplicable",
    "Pass",
    "Pattern",
    "Scenario",
    "Sent",
    "SpecificationImplementation",
    "Stage",
    "StdioImplementation",
    "Verdict",
    "all_scenarios",
    "ic0",
    "is_unanswered",
    "judge",
    "library",
    "loaded",
    "program",
    "refuses",
    "rejects",
    "rejects_with",
    "replies",
    "replies_where",
    "replies_with",
    "scenario",
    "scenarios_of_file",
    "scripted",
]

_HOMES: Final = {
    "conformance.canisters": ("ic0", "library", "scripted"),
    "conformance.canisters.scripted": ("program",),
    "conformance.judging.environment": ("CALM", "HOSTILE", "Environment", "loaded"),
    "conformance.judging.patterns": (
        "Pattern",
        "is_unanswered",
        "refuses",
        "rejects",
        "rejects_with",
        "replies",
        "replies_where",
        "replies_with",
    ),
    "conformance.judging.verdicts": ("Fail", "Inconclusive", "NotApplicable", "Pass", "Verdict"),
    "conformance.protocol.interface": ("Capability", "Implementation", "Needs"),
    "conformance.protocol.stdio": ("StdioImplementation",),
    "conformance.running.case": ("Case", "Manner"),
    "conformance.running.run": ("judge",),
    "conformance.served.specification": ("SpecificationImplementation",),
    "conformance.suite.acting": ("Sent",),
    "conformance.suite.loading": ("all_scenarios", "scenarios_of_file"),
    "conformance.suite.people": ("ADMIN", "ALICE", "BOB", "EVE"),
    "conformance.suite.scenario": ("Scenario", "scenario"),
    "conformance.suite.stage": ("MUCH", "Stage"),
}
"""
Where each name stands. It is imported when it is asked for: whoever wants the scripted canister alone, or serves an
implementation, does not load the judge.
"""

__getattr__, __dir__ = public_names(__name__, _HOMES)
