"""
What was told of requests.

A request keeps its answer until it is forgotten. So whoever asks again is told the same, also where the text leaves
open what: which code the system rejects with, and in which words. Source: abstract-behavior, request clean up; index,
`/request_status`.
"""

from collections.abc import Mapping, Sequence

from conformance.judging.verdicts import fail
from conformance.judging.wording import shown, shown_id, shown_values
from conformance.protocol.interface import Answer, Path, Refused, Rejected, Replied, Values
from spec.values.identifiers import Blob, RequestId


class AnswersTold:
    """The answers to requests, as they were told first."""

    def __init__(self) -> None:
        self._answers: dict[RequestId, Answer] = {}
        self._values: dict[Path, Blob] = {}

    def take_in(self, answers: Mapping[RequestId, Answer]) -> None:
        """Remembers answers. Raises `verdicts.Judged` if one was told otherwise before."""
        for request_id, seen in answers.items():
            if not isinstance(seen, Replied | Rejected):
                continue
            known = self._answers.setdefault(request_id, seen)
            if certified(known) != certified(seen):
                raise fail(
                    f"{shown_id(request_id)}: {shown(seen)}",
                    (f"{shown(known)}, as it was told before",),
                    ("read_state",),
                )

    def take_in_read(self, paths: Sequence[Path], read: Values | Refused) -> None:
        """The same of what was read of requests, but for how far they are."""
        for path, value in zip(paths, read.values if isinstance(read, Values) else (), strict=False):
            match path:
                case (b"request_status", _, leaf) if value is not None and leaf != b"status":
                    known = self._values.setdefault(tuple(path), value)
                    if known != value:
                        told = shown_values(Values((known,)), [path])
                        raise fail(
                            f"reading gave {shown_values(Values((value,)), [path])}",
                            (f"{told}, as it was told before",),
                            ("read_state",),
                        )


def certified(answer: Answer) -> object:
    """What the certified state has of an answer; which reason a reject has is told besides."""
    return (answer.reject.code, answer.reject.message) if isinstance(answer, Rejected) else answer
