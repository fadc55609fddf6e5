"""Where an implementer reads what a failure is about: the page of a rule, and the section that it comes from."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from conformance.judging.verdicts import Fail
from conformance.running.case import Case
from spec.transition import RULES
from spec.values.identifiers import Text

PAGES: Final = "docs/generated/rules"
"""The folder with a page for every rule."""

OURS: Final = "ours#"
"""Begins the source of a rule that fills a gap of the interface specification."""


@frozen
class Concerned:
    """A rule that a failure is about."""

    rule: Text
    page: Text
    """The file, from the root of this project, that states the rule."""
    section: Text
    """`FILE#ANCHOR` in the interface specification, or of the errata if it is silent."""


READS: Final = {
    "query": Concerned("query", "spec/reads/query.py", "abstract-behavior#query-call"),
    "read_state": Concerned("read_state", "spec/reads/read_state.py", "abstract-behavior#certified-state-reads"),
}
"""What is no transition: what queries and reads of the certified state give."""


def concerned_by(name: Text) -> Concerned | None:
    """Where a rule, or what queries or reads give, is stated; None if nothing has this name."""
    if name not in RULES:
        return READS.get(name)
    source = RULES[name].source
    section = f"docs/errata.md#{source.removeprefix(OURS)}" if source.startswith(OURS) else source
    return Concerned(name, f"{PAGES}/{name}.md", section)


def concerned(case: Case) -> Sequence[Concerned]:
    """What a failure is about: the rules that do not allow it, or those that fired last before it."""
    if not isinstance(case.verdict, Fail):
        return ()
    found = map(concerned_by, case.verdict.rules or case.fired_last)
    return [each for each in found if each is not None]


def shown_concerned(each: Concerned) -> Text:
    """One line on a rule."""
    return f"rule {each.rule}: {each.page}; interface specification: {each.section}"
