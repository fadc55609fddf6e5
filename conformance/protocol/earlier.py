"""
An implementation that follows an earlier version of the interface specification, as the judge sees it.

`canister_status` tells settings that came with later versions. Where a status does not tell them, they are what the
specification says that they are by default: nobody can have set them.
"""

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve

from conformance.protocol.interface import Answer, Claim, Implementation, Query, QueryAnswer, Replied
from conformance.protocol.versions import SETTINGS, has
from spec.state.request import Replied as RepliedStatus
from spec.transition import Output, RequestStatusChanged
from spec.values.candid import (
    MAGIC,
    CandidError,
    CandidType,
    CandidValue,
    Case,
    Primitive,
    Record,
    encode,
    field_id,
    read_as_sent,
    resolved,
)
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.management.types import VISIBILITY

DEFAULTS: Final[dict[Text, tuple[CandidType, CandidValue]]] = {
    "minimum_incoming_canister_call_cycles": (Primitive.NAT, 0),
    "status_visibility": (VISIBILITY, Case("controllers")),
}
"""What is told of settings that nobody has set. Source: management-canister, `canister_settings`."""

WITHIN: Final = field_id("settings")


def completed(reply: Blob, version: Text) -> Blob:
    """A status with the settings that came later than a version; any other reply as it is."""
    if not reply.startswith(MAGIC):
        return reply
    message = read_as_sent(reply)
    if isinstance(message, CandidError) or not message.types:
        return reply
    status = resolved(message.types[0], message.definitions)
    fields = {field_id(name): kind for name, kind in status.fields} if isinstance(status, Record) else {}
    settings = resolved(fields[WITHIN], message.definitions) if WITHIN in fields else None
    if not isinstance(settings, Record):
        return reply
    told = {field_id(name): kind for name, kind in settings.fields}
    later = [name for name, since in SETTINGS.items() if not has(version, since) and field_id(name) not in told]
    if not later:
        return reply
    value = message.values[0]
    known = {field_id(name): DEFAULTS[name] for name in later}
    whole = Record([*told.items(), *((label, kind) for label, (kind, _) in known.items())])
    values = {**value, WITHIN: {**value[WITHIN], **{label: default for label, (_, default) in known.items()}}}
    types = (Record(list((fields | {WITHIN: whole}).items())), *message.types[1:])
    return encode(types, (values, *message.values[1:]), message.definitions)


class Earlier:
    """An implementation whose statuses are completed; all else is as it says."""

    def __init__(self, inner: Implementation, version: Text) -> None:
        self.inner = inner
        self._version = version

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def answer(self, request_id: RequestId) -> Answer:
        """What is known of a request."""
        seen = self.inner.answer(request_id)
        return Replied(completed(seen.data, self._version)) if isinstance(seen, Replied) else seen

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """The answer to a query."""
        seen = self.inner.query(query, effective_id)
        return Replied(completed(seen.data, self._version)) if isinstance(seen, Replied) else seen

    def explain(self) -> Sequence[Claim]:
        """The transitions, with the replies that they show."""
        return [evolve(each, outputs=tuple(map(self._output, each.outputs))) for each in self.inner.explain()]

    def _output(self, output: Output) -> Output:
        if isinstance(output, RequestStatusChanged) and isinstance(output.status, RepliedStatus):
            return evolve(output, status=RepliedStatus(completed(output.status.data, self._version)))
        return output


def as_judged(implementation: Implementation, version: Text) -> Implementation:
    """The implementation, with statuses completed if it follows a version in which they tell less."""
    if all(has(version, since) for since in SETTINGS.values()):
        return implementation
    earlier: Any = Earlier(implementation, version)
    completing: Implementation = earlier
    return completing
