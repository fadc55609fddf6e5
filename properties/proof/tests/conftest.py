"""Sessions for tests."""

import pytest

from properties.proof.meaning.symbolic_meaning import new_session
from properties.proof.terms.session import Session, opened


@pytest.fixture
def session():
    """A session of the test alone, which is open."""
    with opened(new_session()) as one:
        yield one


@pytest.fixture(scope="session")
def shared_session() -> Session:
    """One session for many attacks: what one of them leaves behind must not help another."""
    return new_session()
