"""Cells of matrices: what is seen in one is told by its name."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import evolve

from conformance.judging.verdicts import Fail, Judged
from spec.values.identifiers import Text


@contextmanager
def cell(words: Text) -> Iterator[None]:
    """What fails inside is told as a failure of this cell."""
    try:
        yield
    except Judged as judged:
        if not isinstance(judged.verdict, Fail):
            raise
        raise Judged(evolve(judged.verdict, why=f"{words}: {judged.verdict.why}")) from None
