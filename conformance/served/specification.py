"""The specification itself as an implementation: `spec.machine` with the shortest policy and production's choices."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from conformance.judging.judge import Terms, first_state, status_in, submission
from conformance.judging.moves import Silence
from conformance.judging.reading import query_in, values_in
from conformance.protocol.interface import (
    INTERFACE_SPECIFICATION,
    Accepted,
    Advanced,
    Answer,
    CanisterElsewhere,
    Capability,
    Claim,
    Description,
    Instance,
    InstanceKind,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Scheduled,
    Unsupported,
    Values,
)
from conformance.protocol.quoting import quoted
from conformance.protocol.serving import serve
from conformance.protocol.wire import END_OF_TIME
from conformance.served.certificates import ROOT_KEY, certificate_of
from conformance.served.randomness import drawn
from spec.machine import step, submission_label
from spec.production.choices import POLICIES, as_production
from spec.profile import Profile, ProfileError, known_profiles
from spec.settling import next_label
from spec.state.digest import state_digest
from spec.state.dump import dumped
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.tooling.command_arguments import VerbParser, complain
from spec.transition import NotEnabled, Output, Step, Unspecified
from spec.values.containers import Map
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId, SubnetId, Text
from spec.values.management import CyclesConsumed
from spec.values.quantities import Count, Nanoseconds

SUBNET_ID: Final = SubnetId(Principal(hashlib.sha224(b"the subnet of the specification").digest() + b"\x02"))
"""A self-authenticating id, as subnets have."""

OTHER_SUBNET_ID: Final = SubnetId(Principal(hashlib.sha224(b"another subnet of the specification").digest() + b"\x02"))
"""That of the subnet on which canisters stand that an instance begins with."""

STEPS_PER_ROUND: Final[Count] = 100
"""The shortest policy has no rounds; so many steps count as one."""


class SpecificationImplementation:
    """
    One instance of the specification.

    Planted-bug implementations override `taken` (what a transition does), `next` (which one comes next) or a verb.
    """

    capabilities: frozenset[Capability] = frozenset(Capability)
    name = "the specification"

    def __init__(self, profiles: Mapping[Text, Profile] | None = None) -> None:
        self._profiles = known_profiles() if profiles is None else profiles
        self._state: State | None = None
        self._claims: list[Claim] = []

    @property
    def current(self) -> State:
        """The state of the instance."""
        if self._state is None:
            raise Unsupported("reset comes first")
        return self._state

    # The verbs

    def describe(self) -> Description:
        try:
            own = version("icspec")
        except PackageNotFoundError:
            own = "unknown"
        return Description(
            name=self.name,
            version=own,
            interface_specification=INTERFACE_SPECIFICATION,
            profiles=tuple(sorted(self._profiles)),
            capabilities=self.capabilities,
            instance=InstanceKind.DETERMINISTIC,
        )

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        if profile not in self._profiles:
            raise Unsupported(f"{quoted(profile, 60)}: no such profile; there are {', '.join(sorted(self._profiles))}")
        if subnet_size == 0:
            raise Unsupported("a subnet has at least one node")
        if len({each.canister_id for each in elsewhere if each.controllers}) < len(elsewhere):
            raise Unsupported("canisters elsewhere have different ids, and each has a controller")
        terms = Terms(self._profiles[profile], subnet_size, tuple(subnet_admins), elsewhere=tuple(elsewhere))
        instance = Instance(SUBNET_ID, ROOT_KEY, system_time, OTHER_SUBNET_ID if elsewhere else None)
        self._state = first_state(terms, instance)
        self._claims = []
        return instance

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        label = as_production(self.current, submission_label(request, effective_id, endpoint))
        outcome = submission(self.current, request, label)
        if isinstance(outcome, str):
            raise RuntimeError(f"the specification is silent: {outcome}")
        seen, _ = outcome
        if isinstance(seen, Accepted):
            result = step(self.current, label)
            assert isinstance(result, Step)
            self.take(label, result)
        return seen

    def answer(self, request_id: RequestId) -> Answer:
        return status_in(self.current, request_id)

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        try:
            certificate = self.certificate(query.canister_id)
            metrics = Map.of((canister_id, CyclesConsumed()) for canister_id, _ in self.current.canisters.items())
            return query_in(self.current, query, effective_id, certificate, metrics)
        except Silence as silence:
            raise RuntimeError(f"the specification is silent: {silence}") from None

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        return values_in(self.current, sender, effective_id, paths)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        now = self.current.system_time + nanoseconds
        if now >= END_OF_TIME:
            raise Unsupported("the system time stays below 2^64 nanoseconds")
        if nanoseconds:
            self._set_clocks(now)
        taken = 0
        while (move := self.next()) is not None:
            if taken >= rounds * STEPS_PER_ROUND:
                return Advanced(rounds, False, self.current.system_time)
            self.take(*move)
            taken += 1
        return Advanced(-(-taken // STEPS_PER_ROUND), True, self.current.system_time)

    def stop(self) -> None:
        self._state = None

    def explain(self) -> Sequence[Claim]:
        self._require_instance()
        claims, self._claims = self._claims, []
        return claims

    def state(self) -> Blob:
        return state_digest(self.current)

    def dump(self) -> Mapping[Text, Text]:
        return dumped(self.current)

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        self._require_instance()
        outputs: list[tuple[Output, ...]] = []
        for label in labels:
            fired = self._tried(label)
            if not isinstance(fired, Step):
                return Scheduled(tuple(outputs), fired)
            self.take(label, fired)
            outputs.append(fired.outputs)
        return Scheduled(tuple(outputs), None)

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        possible = (place for place, label in enumerate(labels) if self.schedule([label]).stopped_by is None)
        return next(possible, None)

    def _tried(self, label: Label) -> Step | Text:
        """What a transition does, or why it cannot be taken."""
        try:
            result = step(self.current, label)
        except ValueError as problem:
            return str(problem)
        match result:
            case NotEnabled(condition):
                return f"it does not hold that {condition}"
            case Unspecified(because):
                return f"the specification is silent: {because}"
            case Step():
                return result

    # What a planted bug changes

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        """The certificate that a query of the canister sees."""
        return certificate_of(self.current, canister_id)

    def next(self) -> tuple[Label, Step] | None:
        """
        The transition that comes next; None if nothing is left to do.

        Choices are those of production, random bytes are drawn.
        """
        found = next_label(self.current)
        if found is None:
            return found
        label = drawn(self.current, found[0])
        if label.rule in POLICIES:
            label = as_production(self.current, label)
        fired = found[1] if label == found[0] else step(self.current, label)
        return (label, fired) if isinstance(fired, Step) else found

    def taken(self, label: Label, fired: Step) -> State:
        """The state after a transition."""
        return fired.state

    # Helpers

    def take(self, label: Label, fired: Step) -> None:
        """Takes a transition and remembers that."""
        self._state = self.taken(label, fired)
        self._claims.append(Claim(label, fired.outputs))

    def _require_instance(self) -> None:
        if self._state is None:
            raise Unsupported("reset comes first")

    def _set_clocks(self, now: Nanoseconds) -> None:
        labels = [Label("system_time_progress", {"time": now})]
        for canister_id, _ in self.current.canisters.items():
            labels.append(Label("canister_time_progress", {"canister_id": canister_id, "time": now}))
        self.schedule(labels)


def main(arguments: list[str]) -> int:
    """Serves the specification on standard input and output. More profiles than the bundled ones may be given."""
    parser = VerbParser(prog="icspec stdio --spec")
    parser.add_argument("--profile", action="append", default=[], metavar="NAME|FILE")
    try:
        profiles = known_profiles(parser.parse_args(arguments).profile)
    except ProfileError as problem:
        return complain("icspec stdio --spec", problem)
    serve(SpecificationImplementation(profiles), sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
