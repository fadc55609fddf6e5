"""Implementations that let calls wait, refuse requests, and tell other statuses of canisters."""

from collections.abc import Callable

from attrs import evolve

from conformance.judging.moves import Move
from conformance.protocol.interface import Accepted, Answer, Query, QueryAnswer, Refused, Replied
from conformance.tests.planted.bugs import BlackBox
from spec.machine import candidates, step
from spec.settling import ORDER
from spec.state.request import Endpoint, Request
from spec.transition import RULES, Step
from spec.values import management
from spec.values.canister_terms import SimpleStatus
from spec.values.identifiers import Blob, Principal, RequestId
from spec.values.management import CanisterStatusResult

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


# Statuses


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
