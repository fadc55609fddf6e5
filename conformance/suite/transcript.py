"""The transcript of a scenario: who did what, line by line."""

from typing import Final

from attrs import frozen

from spec.values.identifiers import Text

STEP: Final = "step"
"""The actor of lines that tell a transition."""


@frozen
class Event:
    """One line of a transcript."""

    actor: Text
    text: Text
