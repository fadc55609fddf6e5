"""Every rule conserves cycles and keeps the invariants."""

import pytest

import spec.rules  # noqa: F401
from properties.proof.claims.proof import Verdict, prove_rule
from properties.proof.terms.session import Session
from spec.transition import RULES

MANY_PATHS = frozenset(
    {
        "message_execution",
        "upgrade_code",
    }
)
"""Rules with so many paths that proving them takes more than a few seconds; `make prove` proves them too."""


def prove(name: str, session: Session) -> None:
    report = prove_rule(RULES[name], session=session)
    assert [each for each in report.obligations if each.verdict is not Verdict.PROVED] == []
    assert report.firing_paths > 0


@pytest.mark.parametrize("name", [name for name in RULES if name not in MANY_PATHS])
def test_a_rule_is_proved(name: str, shared_session: Session) -> None:
    prove(name, shared_session)


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(MANY_PATHS))
def test_a_rule_with_many_paths_is_proved(name: str, shared_session: Session) -> None:
    prove(name, shared_session)


def test_the_rules_with_many_paths_exist() -> None:
    assert set(RULES) >= MANY_PATHS
