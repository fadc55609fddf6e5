"""The reference implementation as a service: the verbs of the conformance protocol on plain Python values."""

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from reference_impl.certification.signing import ROOT_KEY
from reference_impl.engine import Engine
from reference_impl.own_name import OWN_NAME, own_version
from reference_impl.reads.queries import Query
from reference_impl.reads.state_reads import Path, read_values
from reference_impl.subnet.observations import Accepted, ClaimedStep, NotTaken, Observation
from reference_impl.subnet.subnet_instance import Loader
from reference_impl.wasm.running.module import load_module
from spec.profile import Profile, known_profiles
from spec.state.canister import Canister, Empty, Settings, Stopped, Subnet
from spec.state.digest import state_digest
from spec.state.dump import dumped
from spec.state.history import CanisterHistory
from spec.state.label import Label
from spec.state.request import Endpoint, Request, RequestStatus
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId, SubnetId, Text, self_authenticating_id
from spec.values.quantities import CanisterVersion, Count, Cycles, Nanoseconds
from spec.values.rejects import Response

INTERFACE_SPECIFICATION: Final = "0.66.0"

SUBNET_ID: Final[SubnetId] = self_authenticating_id(ROOT_KEY)

OTHER_SUBNET_ID: Final[SubnetId] = self_authenticating_id(b"a second subnet")
"""No canister of it runs, so it has no key."""


TIME_BITS: Final = 64
"""Canisters are told the time in so many bits."""


class NotSupported(Exception):
    """What is asked for is not there. The message is one line."""


@frozen
class Description:
    """What the implementation is and can do."""

    name: Text
    version: Text
    interface_specification: Text
    profiles: tuple[Text, ...]
    capabilities: tuple[Text, ...]


@frozen
class StandingElsewhere:
    """A canister without code that has stopped, and was created when the instance started."""

    canister_id: CanisterId
    controllers: tuple[Principal, ...]
    version: CanisterVersion
    total_changes: Count
    cycles: Cycles

    def canister(self, profile: Profile, subnet_size: Count, now: Nanoseconds) -> Canister:
        """What it is on the second subnet."""
        settings = Settings.of_creator(self.canister_id, profile.defaults)
        return Canister(
            code=Empty(),
            settings=evolve(settings, controllers=List(self.controllers)),
            status=Stopped(),
            version=self.version,
            subnet=Subnet(OTHER_SUBNET_ID, subnet_size),
            time=now,
            global_timer=0,
            balance=self.cycles,
            reserved_balance=0,
            certified_data=b"",
            created_at=now,
            installed_at=None,
            history=CanisterHistory(self.total_changes, List()),
        )


@frozen
class Configuration:
    """What an instance starts with."""

    profile: Text
    subnet_size: Count
    system_time: Nanoseconds
    subnet_admins: tuple[Principal, ...] = ()
    elsewhere: tuple[StandingElsewhere, ...] | None = None
    """The canisters that are there at the beginning, on a second subnet of the same size."""


@frozen
class Identity:
    """What the implementation chose for an instance."""

    subnet_id: SubnetId
    root_key: Blob
    system_time: Nanoseconds
    other_subnet_id: SubnetId | None = None
    """Where canisters stand that are there at the beginning."""


@frozen
class Advanced:
    """How far an instance came."""

    rounds: Count
    is_quiescent: bool
    system_time: Nanoseconds


@frozen
class Scheduled:
    """Which of the transitions that were asked for were taken."""

    outputs: tuple[tuple[Observation, ...], ...]
    """What each that was taken showed."""
    stopped_by: Text | None
    """Why the next one could not be taken."""


class Service:
    """One instance at a time. Every verb but `describe` and `reset` needs an instance: `NotSupported` before that."""

    def __init__(self, loader: Loader = load_module, profiles: Mapping[Text, Profile] | None = None) -> None:
        self._loader = loader
        self._profiles = known_profiles() if profiles is None else profiles
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of the instance."""
        if self._engine is None:
            raise NotSupported("there is no instance before the first reset")
        return self._engine

    def describe(self) -> Description:
        """What this implementation is."""
        return Description(
            name=OWN_NAME,
            version=own_version(),
            interface_specification=INTERFACE_SPECIFICATION,
            profiles=tuple(sorted(self._profiles)),
            capabilities=("attempt", "dump", "elsewhere", "explain", "schedule", "state"),
        )

    def reset(self, configuration: Configuration) -> Identity:
        """Forgets the instance and starts a new one. Raises `NotSupported` for an unknown profile."""
        profile = self._profiles.get(configuration.profile)
        if profile is None:
            raise NotSupported(f"there is no profile {configuration.profile!r}")
        if configuration.subnet_size == 0:
            raise NotSupported("a subnet has at least one node")
        size, now = configuration.subnet_size, configuration.system_time
        standing = configuration.elsewhere or ()
        others = {each.canister_id: each.canister(profile, size, now) for each in standing if each.controllers}
        if len(others) < len(standing):
            raise NotSupported("two canisters elsewhere have the same id, or one has no controller")
        admins = List(configuration.subnet_admins)
        self._engine = Engine(
            profile,
            Subnet(SUBNET_ID, size),
            now,
            ROOT_KEY,
            subnet_admins={} if admins.is_empty() else {SUBNET_ID: admins},
            loader=self._loader,
            canisters=others,
        )
        return Identity(SUBNET_ID, ROOT_KEY, now, OTHER_SUBNET_ID if others else None)

    def submit(self, request: Request, effective_id: Principal, endpoint: Endpoint) -> Accepted | NotTaken:
        """Hands in an update call, for whose sender the other side of the protocol vouches."""
        return self.engine.submit(request, effective_id, endpoint)

    def answer(self, request_id: RequestId) -> RequestStatus | None:
        """How far a request is; None if it is not known."""
        return self.engine.request_status(request_id)

    def query(self, query: Query, effective_id: Principal) -> Response | NotTaken:
        """Evaluates a non-replicated query."""
        return self.engine.query(query, effective_id)

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> list[Blob | None] | NotTaken:
        """The value at each path of the state tree, None where there is none."""
        return read_values(self.engine.instance, sender, effective_id, paths)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Lets time progress, then runs rounds until nothing is left to do, so many at most."""
        if (self.engine.instance.system_time + nanoseconds).bit_length() > TIME_BITS:
            raise NotSupported(f"the system time would have more than {TIME_BITS} bits")
        self.engine.advance(nanoseconds)
        done = self.engine.drain(rounds)
        return Advanced(done, self.engine.is_quiescent, self.engine.instance.system_time)

    def stop(self) -> None:
        """Drops the instance."""
        self._engine = None

    def explain(self) -> list[ClaimedStep]:
        """The transitions taken since the last call, submissions included."""
        return self.engine.explain()

    def state(self) -> Blob:
        """The digest of the specification's state that the instance is in, 32 bytes."""
        return state_digest(self.engine.abstract())

    def dump(self) -> Mapping[Text, Text]:
        """The specification's state that the instance is in, every value by its place."""
        return dumped(self.engine.abstract())

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        """Takes these transitions in this order, up to the first that cannot be taken."""
        outputs: list[tuple[Observation, ...]] = []
        for label in labels:
            outcome = self.engine.take(label)
            if isinstance(outcome, NotTaken):
                return Scheduled(tuple(outputs), outcome.because)
            outputs.append(self.engine.last_shown)
        return Scheduled(tuple(outputs), None)

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        """Takes the first of these transitions that can be taken: its place; None if none can."""
        for place, label in enumerate(labels):
            if not isinstance(self.engine.take(label), NotTaken):
                return place
        return None
