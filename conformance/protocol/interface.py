"""
What an implementation under test looks like to the judge: eight verbs and six optional capabilities.

`PROTOCOL.md` gives the same in JSON. Adapters (`stdio`) turn calls of these methods into what an implementation
understands; the specification itself implements it in `conformance.served.specification`.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, Protocol

from attrs import field, frozen

from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.transition import Output
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, RequestId, SubnetId, Text
from spec.values.management import MANAGEMENT_METHODS, RESULT_TYPES
from spec.values.quantities import CanisterVersion, Count, Cycles, Nanoseconds
from spec.values.rejects import RejectReason

PROTOCOL_VERSION: Final[int] = 1
"""What `describe` agrees on."""


INTERFACE_SPECIFICATION: Final = "0.66.0"
"""The version of the interface specification by which is judged."""


class Capability(Enum):
    """What an implementation may offer beyond the eight verbs."""

    SCHEDULE = "schedule"
    """It takes an order of transitions."""
    EXPLAIN = "explain"
    """It says which transitions it took."""
    STATE = "state"
    """It gives a digest of the specification state that it is in."""
    DUMP = "dump"
    """It gives that state field by field."""
    ATTEMPT = "attempt"
    """It takes the first of several transitions that can be taken."""
    ELSEWHERE = "elsewhere"
    """An instance may begin with canisters on a second subnet."""


class InstanceKind(Enum):
    """Whether the instance moves by itself."""

    DETERMINISTIC = "deterministic"
    """Nothing happens between requests; the clock and the rounds move by `advance` alone."""
    LIVE = "live"
    """It moves by itself."""


class ImplementationError(Exception):
    """The implementation did not give a usable response. The message says what happened, in one line."""


class CannotStart(ImplementationError):
    """There is no such command, or it cannot be run."""


class Died(ImplementationError):
    """The process ended."""


class TimedOut(ImplementationError):
    """A verb exceeded its time limit."""


class BrokeProtocol(ImplementationError):
    """A response that the protocol does not allow."""


class Unsupported(ImplementationError):
    """The implementation says that it does not offer this."""


class InternalError(ImplementationError):
    """The implementation says that it failed."""


MAY_BE_MISSING: Final[frozenset[Text]] = frozenset({"query", "read"}) | MANAGEMENT_METHODS | RESULT_TYPES.keys()
"""The verbs and the methods of the management canister that an implementation may say it does not have."""


@frozen
class Description:
    """What an implementation says of itself."""

    name: Text
    version: Text
    interface_specification: Text
    """The version of the interface specification that it follows."""
    profiles: tuple[Text, ...]
    """The profiles that it follows to the last cycle."""
    capabilities: frozenset[Capability]
    instance: InstanceKind
    missing: frozenset[Text] = frozenset()
    """What it does not have, of `MAY_BE_MISSING`: scenarios that come to need it do not apply."""


@frozen
class CanisterElsewhere:
    """
    A canister that an instance begins with, on a second subnet.

    It has stopped, has no code, and was created when the instance began; its settings are those by default.
    """

    canister_id: CanisterId
    controllers: tuple[Principal, ...]
    version: CanisterVersion
    total_changes: Count
    """So many changes are in its history, none of which is listed any more."""
    cycles: Cycles


@frozen
class Instance:
    """A new instance, empty but for what stands elsewhere."""

    subnet_id: SubnetId
    root_key: Blob
    system_time: Nanoseconds
    other_subnet_id: SubnetId | None = None
    """Where the canisters elsewhere are; None if there are none."""


@frozen
class Accepted:
    """A request was taken in."""

    request_id: RequestId


@frozen
class Refused:
    """A request was not taken in."""

    code: int | None = None
    """The reject code, if the implementation gives one."""
    reason: RejectReason | None = None
    """What it means, if the implementation can tell."""


@frozen
class SeenReject:
    """A reject as the implementation reports it."""

    code: int
    reason: RejectReason | None
    """None if the implementation cannot tell it."""
    message: Text
    """Free text of the system, or the canister's own if the reason is `EXPLICIT`."""


@frozen
class UnknownRequest:
    """The request is not known, or no longer."""


@frozen
class Received:
    """The request waits."""


@frozen
class Processing:
    """The request is being worked on."""


@frozen
class Done:
    """The request was answered, and the answer is forgotten."""


@frozen
class Replied:
    """The call succeeded."""

    data: Blob


@frozen
class Rejected:
    """The call failed."""

    reject: SeenReject


Answer = UnknownRequest | Received | Processing | Done | Replied | Rejected
"""How far a request is."""

QueryAnswer = Replied | Rejected | Refused
"""What a query gives."""

Seen = Answer | Refused
"""What a scenario can see of a request or a query."""


@frozen
class Query:
    """A query call of a user."""

    nonce: Blob
    ingress_expiry: Nanoseconds
    sender: Principal
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob


@frozen
class Values:
    """What stands at the paths that were read; None where there is nothing."""

    values: tuple[Blob | None, ...]


@frozen
class Advanced:
    """The system moved on."""

    rounds: Count
    is_quiescent: bool
    """Nothing is left to do without new input; False also if the implementation cannot know."""
    system_time: Nanoseconds


@frozen
class Claim:
    """A transition that the implementation says it took, and what it showed."""

    label: Label
    outputs: tuple[Output, ...]


@frozen
class Scheduled:
    """How far a schedule got."""

    outputs: tuple[tuple[Output, ...], ...]
    """Of the transitions that were taken."""
    stopped_by: Text | None
    """Why the next one could not be taken."""


Path = tuple[Blob, ...]
"""A path into the state tree, label by label."""


class Implementation(Protocol):
    """An implementation of the Internet Computer. Every method may raise `ImplementationError`."""

    def describe(self) -> Description: ...

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        """Starts an instance without canisters, but for those on a second subnet of the same size."""
        ...

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        """Hands in an update call."""
        ...

    def answer(self, request_id: RequestId) -> Answer:
        """What is known of a request now."""
        ...

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """Asks a non-replicated query."""
        ...

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        """Reads from the certified state."""
        ...

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Lets time pass, then runs rounds until nothing is left to do or the number is reached."""
        ...

    def stop(self) -> None:
        """Ends the instance."""
        ...

    def explain(self) -> Sequence[Claim]:
        """The transitions taken since `reset` or the last `explain`."""
        ...

    def state(self) -> Blob:
        """The digest of the specification state."""
        ...

    def dump(self) -> Mapping[Text, Text]:
        """The specification state, every value by its place."""
        ...

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        """Takes transitions in a given order."""
        ...

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        """Takes the first of these transitions that can be taken, and none after it: its place; None if none can."""
        ...


@frozen
class TimeLimits:
    """How long each verb may take, in seconds of wall time."""

    describe: float = 30.0
    """Includes the start of the process."""
    reset: float = 30.0
    submit: float = 60.0
    """Includes `inspect_message`."""
    advance: float = 120.0
    stop: float = 10.0
    others: float = 60.0

    def of(self, verb: str) -> float:
        """The limit of a verb."""
        match verb:
            case "describe":
                return self.describe
            case "reset":
                return self.reset
            case "submit":
                return self.submit
            case "advance" | "schedule" | "attempt":
                return self.advance
            case "stop":
                return self.stop
            case _:
                return self.others

    @staticmethod
    def uniform(seconds: float) -> "TimeLimits":
        """The same limit for every verb."""
        return TimeLimits(seconds, seconds, seconds, seconds, seconds, seconds)


DEFAULT_TIME_LIMITS: Final = TimeLimits()


@frozen
class Needs:
    """What a scenario needs of an implementation beyond the eight verbs."""

    capabilities: frozenset[Capability] = field(factory=frozenset)
    deterministic: bool = False
    """The instance must not move by itself."""
    exact_costs: bool = False
    """The implementation follows the scenario's profile to the last cycle."""
    own_subnet: bool = False
    """What others hold on the subnet would change what is seen: there must be nothing."""
