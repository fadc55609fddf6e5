"""
Open call contexts with counts of what refers to them.

A reference is a call that was made in the context and is not answered yet, wherever it is: as a call message, as a
context that owes a response, as a stop call that waits, or as a response. Each moves from one of these forms to the
next, so one count that goes up when the call is made and down when its response is taken is exact.
"""

from collections.abc import Iterable, Iterator

from reference_impl.subnet.message_memory import is_guaranteed
from spec.canister.environment import Caller
from spec.state.call_context import CallContext, FailedExecution
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister
from spec.values.identifiers import CallContextId, CanisterId
from spec.values.quantities import Count, Cycles, Instructions, Nanoseconds


class OpenContext:
    """A call context of the engine."""

    __slots__ = (
        "available_cycles",
        "caller",
        "canister",
        "deleted",
        "instructions_used",
        "last_failure",
        "needs_to_respond",
        "origin",
        "unanswered_calls",
    )

    def __init__(
        self, canister: CanisterId, origin: CallOrigin, caller: Caller, *, needs_to_respond: bool, cycles: Cycles
    ) -> None:
        self.canister = canister
        self.origin = origin
        self.caller = caller
        self.needs_to_respond = needs_to_respond
        self.deleted = False
        self.available_cycles: Cycles = cycles
        self.instructions_used: Instructions = 0
        self.last_failure: FailedExecution | None = None
        self.unanswered_calls = 0

    def deadline(self) -> Nanoseconds | None:
        """Until when the maker of the call waits; None if without bound."""
        match self.origin:
            case FromCanister(deadline=Deadline(time=time) | Expired(time=time)):
                return time
            case _:
                return None

    def frozen(self) -> CallContext:
        """The same as a value of the specification."""
        return CallContext(
            canister=self.canister,
            origin=self.origin,
            caller=self.caller,
            needs_to_respond=self.needs_to_respond,
            deleted=self.deleted,
            available_cycles=self.available_cycles,
            instructions_used=self.instructions_used,
            last_failure=self.last_failure,
        )


def _keeps_room(context: OpenContext) -> bool:
    return context.needs_to_respond and is_guaranteed(context.origin)


class CallContexts:
    """All open call contexts."""

    def __init__(self) -> None:
        self.by_id: dict[CallContextId, OpenContext] = {}
        self._by_canister: dict[CanisterId, dict[CallContextId, None]] = {}
        self.unreferenced: dict[CallContextId, None] = {}
        """Those in which no unanswered call was made: they starve or go away."""
        self.next_id = CallContextId(0)
        """The smallest id above all that were ever used."""
        self.guaranteed: Count = 0
        """How many owe a response for which room is kept, as its caller waits without bound."""

    def __contains__(self, context_id: CallContextId) -> bool:
        return context_id in self.by_id

    def __getitem__(self, context_id: CallContextId) -> OpenContext:
        return self.by_id[context_id]

    def __iter__(self) -> Iterator[CallContextId]:
        return iter(self.by_id)

    def open(self, context_id: CallContextId, context: OpenContext) -> None:
        """A context comes to be."""
        assert context_id not in self.by_id
        self.by_id[context_id] = context
        of_canister = self._by_canister.get(context.canister)
        if of_canister is None:
            self._by_canister[context.canister] = {context_id: None}
        else:
            of_canister[context_id] = None
        self.unreferenced[context_id] = None
        if isinstance(context.origin, FromCanister):
            self.guaranteed += _keeps_room(context)
        if context_id >= self.next_id:
            self.next_id = CallContextId(context_id + 1)

    def close(self, context: OpenContext) -> None:
        """A response was given in a context or is no longer possible."""
        if isinstance(context.origin, FromCanister):
            self.guaranteed -= _keeps_room(context)
        context.needs_to_respond = False
        context.available_cycles = 0

    def remove(self, context_id: CallContextId) -> None:
        """A context goes away that owes nothing any more."""
        context = self.by_id.pop(context_id)
        if context.needs_to_respond:
            self.guaranteed -= _keeps_room(context)
        canister = context.canister
        self.unreferenced.pop(context_id, None)
        of_canister = self._by_canister[canister]
        del of_canister[context_id]
        if not of_canister:
            del self._by_canister[canister]

    def call_made(self, context_id: CallContextId) -> None:
        """A call was made in the context."""
        self.by_id[context_id].unanswered_calls += 1
        self.unreferenced.pop(context_id, None)

    def call_answered(self, context_id: CallContextId) -> None:
        """The response to a call made in the context was taken."""
        context = self.by_id[context_id]
        context.unanswered_calls -= 1
        assert context.unanswered_calls >= 0, "no more responses than calls"
        if not context.unanswered_calls:
            self.unreferenced[context_id] = None

    def is_unreferenced(self, context_id: CallContextId) -> bool:
        """No unanswered call was made in the context."""
        return context_id in self.unreferenced

    def reorder_unreferenced(self, in_order: Iterable[CallContextId]) -> None:
        """They starve or go away in this order."""
        reordered = dict.fromkeys(in_order)
        assert reordered.keys() == self.unreferenced.keys(), "only the order changes"
        self.unreferenced = reordered

    def of_canister(self, canister_id: CanisterId) -> list[CallContextId]:
        """The contexts of a canister, in increasing order."""
        return sorted(self._by_canister.get(canister_id, ()))

    def has_open(self, canister_id: CanisterId) -> bool:
        """The canister has a context, deleted or not."""
        return canister_id in self._by_canister
