"""Traces of implementations that speak the protocol: what goes over it is written down as events."""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    CanisterElsewhere,
    Capability,
    Claim,
    Description,
    Implementation,
    Instance,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    Scheduled,
    Unsupported,
    Values,
)
from conformance.protocol.wire import (
    write_answer,
    write_blob,
    write_integer,
    write_optional_blob,
    write_paths,
    write_query,
    write_request,
)
from conformance.validating.events import FORMAT
from spec.machine import OUTSIDE
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.transition import Executed
from spec.values.identifiers import Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds

BALANCE: Final = "].balance"
"""Where a dump of the state has the balance of a canister."""


class Recording:
    """An implementation, and what is asked of it and answered by it, as lines of a trace; a reset begins a new one."""

    def __init__(self, inner: Implementation, file: IO[Text]) -> None:
        self.inner = inner
        self._file = file
        self._description: Description | None = None
        self._told: dict[RequestId, Answer] = {}
        self._claims: list[Claim] = []
        """What the implementation explained, and nobody asked for yet."""
        self._time: Nanoseconds = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _write(self, event: Text, **told: Any) -> None:
        kept = {name: value for name, value in told.items() if value is not None}
        self._file.write(json.dumps({"event": event, **kept}) + "\n")
        self._file.flush()

    def _offers(self, capability: Capability) -> bool:
        return self._description is not None and capability in self._description.capabilities

    def describe(self) -> Description:
        """What the implementation is."""
        self._description = self.inner.describe()
        return self._description

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        """Begins a new trace."""
        if elsewhere:
            raise Unsupported("a trace does not tell of canisters on a second subnet")
        instance = self.inner.reset(profile, subnet_size, system_time, subnet_admins)
        self._file.seek(0)
        self._file.truncate()
        self._told, self._claims, self._time = {}, [], instance.system_time
        description = self._description or self.describe()
        self._write(
            "start",
            format=FORMAT,
            profile=profile if profile in description.profiles else None,
            subnet_size=subnet_size,
            subnet_id=write_blob(instance.subnet_id),
            root_key=write_blob(instance.root_key),
            system_time=write_integer(instance.system_time),
            subnet_admins=[write_blob(each) for each in subnet_admins],
            tells_all=["execution"] if self._offers(Capability.EXPLAIN) else None,
        )
        return instance

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        """A request and whether it was taken in."""
        seen = self.inner.submit(request, effective_id, endpoint)
        self._write(
            "request",
            **write_request(request),
            effective_id=write_blob(effective_id),
            endpoint=endpoint.value,
            request_id=write_blob(seen.request_id) if isinstance(seen, Accepted) else None,
            taken_in=isinstance(seen, Accepted),
        )
        self._take_in_claims()
        return seen

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Time, executions, rest, and the balances at rest."""
        seen = self.inner.advance(rounds, nanoseconds)
        if seen.system_time != self._time:
            self._time = seen.system_time
            self._write("time", system_time=write_integer(seen.system_time))
        self._take_in_claims()
        if seen.is_quiescent:
            self._write("rest")
            self._write_balances()
        return seen

    def _take_in_claims(self) -> None:
        if not self._offers(Capability.EXPLAIN):
            return
        claims = list(self.inner.explain())
        self._claims += claims
        for claim in claims:
            if claim.label.rule not in OUTSIDE:
                self._write_executions(claim)

    def _write_executions(self, claim: Claim) -> None:
        for output in claim.outputs:
            if isinstance(output, Executed):
                self._write(
                    "execution",
                    canister_id=write_blob(output.canister_id),
                    instructions=write_integer(output.instructions),
                    failed=output.failure is not None,
                    failure=None if output.failure is None else output.failure.reason.name,
                )

    def _write_balances(self) -> None:
        if not self._offers(Capability.DUMP):
            return
        for place, value in self.inner.dump().items():
            if place.startswith("canisters[") and place.endswith(BALANCE):
                canister_id = place.removeprefix("canisters[").removesuffix(BALANCE)
                self._write("balance", canister_id=canister_id, cycles=write_integer(int(value)))

    def explain(self) -> Sequence[Claim]:
        """The transitions that were taken, also those that are in the trace."""
        claims, self._claims = self._claims, []
        return [*claims, *self.inner.explain()]

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        """Transitions that were told to be taken."""
        seen = self.inner.schedule(labels)
        self._take_in_claims()
        return seen

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        """Transitions one of which may have been taken."""
        seen = self.inner.attempt(labels)
        self._take_in_claims()
        return seen

    def answer(self, request_id: RequestId) -> Answer:
        """The status of a request, whenever it is another one."""
        seen = self.inner.answer(request_id)
        if self._told.get(request_id) != seen:
            self._told[request_id] = seen
            self._write("response", request_id=write_blob(request_id), **_answered(seen))
        return seen

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """A query and its answer."""
        seen = self.inner.query(query, effective_id)
        self._write("query", **write_query(query), effective_id=write_blob(effective_id), **_answered(seen))
        return seen

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        """What was read of the certified state, unless it was refused."""
        seen = self.inner.read(sender, effective_id, paths)
        if isinstance(seen, Values):
            values = [write_optional_blob(each) for each in seen.values]
            asked = {
                "sender": write_blob(sender),
                "effective_id": write_blob(effective_id),
                "paths": write_paths(paths),
            }
            self._write("read", **asked, values=values)
        return seen


def _answered(seen: Answer | Refused) -> Mapping[Text, Any]:
    match seen:
        case Replied(data):
            return {"status": "replied", "data": write_blob(data)}
        case Rejected(reject):
            reason = None if reject.reason is None else reject.reason.name
            return {"status": "rejected", "code": reject.code, "reason": reason, "message": reject.message}
        case Refused(code, reason):
            return {"status": "refused", "code": code, "reason": None if reason is None else reason.name}
        case _:
            return {"status": write_answer(seen)["status"]}
