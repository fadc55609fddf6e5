"""Implementations that let calls wait, refuse requests, and tell other statuses of canisters."""

from collections.abc import Callable

from attrs import evolve

from conformance.judging.moves import Move
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Capability,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    UnknownRequest,
)
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.choosing import with_choices
from spec.machine import candidates, step
from spec.settling import ORDER
from spec.state.request import Endpoint, Request
from spec.transition import RULES, Step
from spec.values import management
from spec.values.canister_terms import SimpleStatus
from spec.values.identifiers import Blob, Principal, RequestId
from spec.values.management import CanisterStatusResult
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds, Seconds
from spec.values.rejects import RejectCode, RejectReason

# Calls that wait


class LetsCallsWait(BlackBox):
    """Calls that the callee cannot set cycles aside for wait until it can."""

    waiting = "reject_call_to_canister_out_of_cycles"

    def next(self) -> Move | None:
        for name in ORDER:
            for label in candidates(self.current, RULES[name]) if name != self.waiting else ():
                fired = step(self.current, label)
                if isinstance(fired, Step):
                    return label, fired
        return None


class LetsCallsToStoppedWait(LetsCallsWait):
    """Calls to stopped canisters wait until these run."""

    waiting = "reject_call_to_stopped_canister"


# Requests that are refused


class RefusesOneRequest(BlackBox):
    """One request that could be taken in is not, because the system is overloaded."""

    number = 5

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        self.count += 1
        return Refused() if self.count == self.number else super().submit(request, effective_id, endpoint)


class RefusesDistantExpiries(BlackBox):
    """Requests and queries that expire in more than four minutes are refused."""

    at_most: Seconds = 240

    def is_distant(self, expiry: Nanoseconds) -> bool:
        """Something expires too late."""
        return expiry > self.current.system_time + self.at_most * NANOSECONDS_PER_SECOND

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if self.is_distant(request.ingress_expiry):
            return Refused()
        return super().submit(request, effective_id, endpoint)

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        return Refused() if self.is_distant(query.ingress_expiry) else super().query(query, effective_id)


class RefusesNearExpiries(RefusesDistantExpiries):
    """Those that expire in more than one minute."""

    at_most = 60


# Queries that take too long


class TakesTooLongForOneQuery(BlackBox):
    """One query that would get a reply is rejected, because its evaluation took too long."""

    number = 1
    reason: RejectReason | None = None

    def __init__(self) -> None:
        super().__init__()
        self.queries = 0

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        plain = super().query(query, effective_id)
        self.queries += 1
        if self.queries > self.number or not isinstance(plain, Replied):
            return plain
        return Rejected(SeenReject(RejectCode.SYS_TRANSIENT, self.reason, "it takes too long"))


class TakesTooLongForThreeQueries(TakesTooLongForOneQuery):
    """Three queries take too long."""

    number = 3


class BlamesCanistersForTheTime(TakesTooLongForOneQuery):
    """It is said that the canister itself rejected the query."""

    reason = RejectReason.EXPLICIT


# Requests that are lost


class LosesOneRequest(BlackBox):
    """One request is said to be taken in, and never becomes known."""

    number = 5

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        self.count += 1
        if self.count != self.number:
            return super().submit(request, effective_id, endpoint)
        before = self.current
        accepted = super().submit(request, effective_id, endpoint)
        self._state, self._claims = before, self._claims[:-1]
        return accepted


class TellsThatItLosesOne(LosesOneRequest):
    """The same, and it explains itself."""

    capabilities = frozenset({Capability.EXPLAIN})


class TakesOneInLate(LosesOneRequest):
    """One request becomes known only when the system is advanced for the second time after it was handed in."""

    def __init__(self) -> None:
        super().__init__()
        self.late: tuple[Request, Principal, Endpoint] | None = None
        self.waits = 2

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if self.count + 1 == self.number:
            self.late = (request, effective_id, endpoint)
        return super().submit(request, effective_id, endpoint)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        if self.late is not None:
            self.waits -= 1
            if self.waits == 0:
                BlackBox.submit(self, *self.late)
        return super().advance(rounds, nanoseconds)


class HidesOneRequest(BlackBox):
    """One request is processed, and said not to be known."""

    number = 5

    def __init__(self) -> None:
        super().__init__()
        self.taken_in: list[RequestId] = []

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        seen = super().submit(request, effective_id, endpoint)
        if isinstance(seen, Accepted):
            self.taken_in.append(seen.request_id)
        return seen

    def answer(self, request_id: RequestId) -> Answer:
        is_hidden = request_id in self.taken_in[self.number - 1 : self.number]
        return UnknownRequest() if is_hidden else super().answer(request_id)


# Statuses


class TimesStopsOut(BlackBox):
    """A call to stop a canister is answered with an error as soon as any time has passed."""

    shortest: Nanoseconds = 1

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        waiting = list(candidates(self.current, RULES["stop_call_rejection"]))
        self._set_clocks(self.current.system_time + nanoseconds)
        for label in waiting if nanoseconds >= self.shortest else ():
            # The others have moved up.
            fired = step(self.current, with_choices(label, index=0))
            if isinstance(fired, Step):
                self.take(with_choices(label, index=0), fired)
        return super().advance(rounds, 0)


class TellsThatStopsTimeOut(TimesStopsOut):
    """The same, and it explains itself."""

    capabilities = frozenset({Capability.EXPLAIN})


class TimesStopsOutAtOnce(TimesStopsOut):
    """No time need pass."""

    shortest = 0


class TellsStatuses(BlackBox):
    """It tells the status of a canister in its own way."""

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        """What is told."""
        raise NotImplementedError

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        return Replied(with_status(answer.data, self.told)) if isinstance(answer, Replied) else answer

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        return Replied(with_status(answer.data, self.told)) if isinstance(answer, Replied) else answer


def with_status(reply: Blob, told: Callable[[CanisterStatusResult], CanisterStatusResult]) -> Blob:
    """The reply with another status, if it is one."""
    try:
        status = management.decode_canister_status(reply)
    except ValueError:
        return reply
    return management.encode_canister_status(told(status))


class CountsQueries(TellsStatuses):
    """Queries have been counted."""

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        return evolve(status, query_stats=evolve(status.query_stats, num_calls_total=7, num_instructions_total=1_000))


class IsReadyForMigration(TellsStatuses):
    """A canister that has stopped is ready for migration."""

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        return evolve(status, ready_for_migration=status.status is SimpleStatus.STOPPED)


class IsReadyTooSoon(TellsStatuses):
    """One that runs is, too."""

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        return evolve(status, ready_for_migration=status.status is SimpleStatus.RUNNING)


class TellsHigherVersions(TellsStatuses):
    """The status tells a higher version than code sees."""

    by: Count = 100

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        return evolve(status, version=status.version + self.by)


class TellsFallingVersions(TellsHigherVersions):
    """Each time that a status is told the version is lower, but never lower than it is."""

    def told(self, status: CanisterStatusResult) -> CanisterStatusResult:
        self.by -= 1
        return super().told(status)


class ExplainsAndTellsHigherVersions(TellsHigherVersions):
    """The same, and it explains itself."""

    capabilities = frozenset({Capability.EXPLAIN})


class TimesOneStopOut(TimesStopsOut):
    """Of the calls to stop canisters that wait one is answered with an error when time has passed, the last."""

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        waiting = list(candidates(self.current, RULES["stop_call_rejection"]))
        self._set_clocks(self.current.system_time + nanoseconds)
        fired = step(self.current, waiting[-1]) if waiting and nanoseconds else None
        if isinstance(fired, Step):
            self.take(waiting[-1], fired)
        return BlackBox.advance(self, rounds, 0)
