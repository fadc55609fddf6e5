"""Implementations whose clock moves between two things that are asked, as that of a live instance may."""

from collections.abc import Sequence

from attrs import evolve

from conformance.judging.clocks import with_time
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Capability,
    Description,
    InstanceKind,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Values,
)
from conformance.served.certificates import certificate_of
from conformance.tests.planted.bugs import BlackBox
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.transition import Executed, Step
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds

HOUR = 3600 * NANOSECONDS_PER_SECOND


class Ticks(BlackBox):
    """Its clocks move whenever it is asked something, and it says that it does nothing by itself."""

    pace: Nanoseconds = NANOSECONDS_PER_SECOND // 1000

    def ticked(self) -> None:
        """The clocks move."""
        self._set_clocks(self.current.system_time + self.pace)

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        self.ticked()
        return super().submit(request, effective_id, endpoint)

    def answer(self, request_id: RequestId) -> Answer:
        self.ticked()
        return super().answer(request_id)

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        self.ticked()
        return super().query(query, effective_id)

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        self.ticked()
        return super().read(sender, effective_id, paths)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        advanced = super().advance(rounds, nanoseconds)
        self.ticked()
        return advanced


class LivesOn(Ticks):
    """The same, as a live instance."""

    def describe(self) -> Description:
        return evolve(super().describe(), instance=InstanceKind.LIVE)


class TellsHowItLives(LivesOn):
    """It explains itself."""

    capabilities = frozenset({Capability.EXPLAIN, Capability.STATE})


class LivesOnMeanwhile(LivesOn):
    """The clocks move while it runs, too: what one request leads to happens at several times."""

    def taken(self, label: Label, fired: Step) -> State:
        return with_time(fired.state, fired.state.system_time + self.pace)


class CreatedBeforeItBegan(LivesOn):
    """Canisters were created an hour before the instance began."""

    def taken(self, label: Label, fired: Step) -> State:
        created = [
            (
                each,
                evolve(canister, created_at=canister.created_at - HOUR)
                if each not in self.current.canisters
                else canister,
            )
            for each, canister in fired.state.canisters.items()
        ]
        return evolve(fired.state, canisters=Map.of(created))


class ReadsAnotherTime(LivesOn):
    """The time that is read is another than that of its clock."""

    by: int
    """So much later."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        now = self.current
        self._state = evolve(now, system_time=now.system_time + self.by)
        read = super().read(sender, effective_id, paths)
        self._state = now
        return read


class ReadsAnEarlierTime(ReadsAnotherTime):
    """It is before the one that was told."""

    by = -HOUR


class ReadsAFarTime(ReadsAnotherTime):
    """It is an hour ahead."""

    by = HOUR


class TurnsBack(LivesOn):
    """The time that it tells when it has advanced is before the one that it told earlier."""

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        advanced = super().advance(rounds, nanoseconds)
        return evolve(advanced, system_time=advanced.system_time - HOUR)


class CertifiesFarAhead(LivesOn):
    """The certificates that queries see are of a time that is an hour ahead."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return certificate_of(evolve(self.current, system_time=self.current.system_time + HOUR), canister_id)


class DatesLogsBackwards(LivesOn):
    """Each record of a log bears an earlier time than the one before."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for canister_id in {each.canister_id for each in fired.outputs if isinstance(each, Executed)}:
            canister = state.canisters[canister_id]
            logs = List(tuple(evolve(each, timestamp=canister.time - each.index) for each in canister.logs))
            state = evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, logs=logs)))
        return state
