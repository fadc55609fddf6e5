"""An engine whose inputs are written into a journal before anybody is told what came of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reference_impl.durability.inputs import Chosen, Input, RoundRun, TakenIn, TimePassed
from reference_impl.engine import Engine
from reference_impl.subnet.observations import Accepted, NotTaken
from spec.state.label import Label
from spec.state.request import Endpoint, Submission
from spec.values.identifiers import Principal
from spec.values.quantities import Count, Nanoseconds

Note = Callable[[Input], None]


class JournaledEngine(Engine):
    """
    Tells all that it is given from outside to `note`, once it is set.

    Rounds and steps of time are told before they are begun, so that one which fails is there when all is given again.
    A request is told when it was taken in: one that is refused leaves no trace.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.note: Note | None = None
        self.steps: Count = 0
        """How many rounds and steps of time there were since the process began."""
        self._is_inside = False

    @contextmanager
    def _inside(self, given: Input | None) -> Iterator[None]:
        """What is done inside follows from the input."""
        is_outermost = not self._is_inside
        if is_outermost and given is not None and self.note is not None:
            self.note(given)
        self._is_inside = True
        try:
            yield
        finally:
            self._is_inside = not is_outermost

    def submit(
        self, request: Submission, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | NotTaken:
        """As that of every engine."""
        with self._inside(None):
            outcome = super().submit(request, effective_id, endpoint)
        if isinstance(outcome, Accepted) and self.note is not None:
            self.note(TakenIn(request, effective_id, endpoint))
        return outcome

    def advance(self, nanoseconds: Nanoseconds) -> None:
        """As that of every engine."""
        with self._inside(TimePassed(nanoseconds)):
            super().advance(nanoseconds)
        self.steps += 1

    def round(self) -> None:
        """As that of every engine."""
        with self._inside(RoundRun()):
            super().round()
        self.steps += 1

    def take(self, label: Label) -> Accepted | NotTaken | None:
        """As that of every engine."""
        with self._inside(Chosen(label)):
            return super().take(label)
