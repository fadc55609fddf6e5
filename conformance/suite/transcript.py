"""The transcript of a scenario: who did what, line by line."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from conformance.judging.candid_text import shown_principal
from conformance.judging.verdicts import Judged
from conformance.suite.people import USERS
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Principal, Text
from spec.values.quantities import Count

STEP: Final = "step"
"""The actor of lines that tell a transition."""

TOLD_OF_LOOKS: Final[Count] = 12
"""So many of its last lines are told of a look of the judge's own that failed."""


@frozen
class Event:
    """One line of a transcript."""

    actor: Text
    text: Text


class Transcript:
    """What is done and seen. It is put into words when they are asked for: of most scenarios nobody reads them."""

    def __init__(self) -> None:
        self._told: list[tuple[Text, Text | Callable[[], Text]]] = []
        self._unsaid: deque[tuple[Text, Text | Callable[[], Text]]] | None = None
        self._people: dict[Principal, Text] = dict(USERS)
        self._canisters: dict[CanisterId, Text] = {}

    def note(self, actor: Text, text: Text | Callable[[], Text]) -> None:
        """Adds a line; of those of a look of the judge's own the last are kept if it fails."""
        (self._told if self._unsaid is None else self._unsaid).append((actor, text))

    @property
    def events(self) -> list[Event]:
        """All lines, in words."""
        return [Event(actor, text if isinstance(text, str) else text()) for actor, text in self._told]

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Inside, the judge looks by itself."""
        self.note("the judge", "looks at what can be observed")
        self._unsaid = deque(maxlen=TOLD_OF_LOOKS)
        try:
            yield
        except Judged:
            self._told += self._unsaid
            raise
        finally:
            self._unsaid = None

    @property
    def is_looking(self) -> bool:
        """The judge looks by itself."""
        return self._unsaid is not None

    # Names

    def name_canister(self, canister_id: CanisterId, name: Text | None) -> None:
        """A canister is called so, or by its number among those that have names."""
        self._canisters[canister_id] = name or f"canister {len(self._canisters) + 1}"

    def name_user(self, principal: Principal, name: Text) -> None:
        """A user is called so, unless there is a name already."""
        self._people.setdefault(principal, name)

    def canister(self, canister_id: CanisterId) -> Text:
        """What a canister is called."""
        if canister_id == MANAGEMENT_CANISTER:
            return "management"
        return self._canisters.get(canister_id) or shown_principal(canister_id)

    def user(self, principal: Principal) -> Text:
        """What a user is called."""
        return self._people.get(principal, "somebody")
