"""
What every judge does: it is told what was done to an implementation and what was seen, and objects to what the
specification does not allow.

Two judges exist. `searching.Search` keeps the states in which a black box may be. `replaying.Replay` follows an
implementation that says which transitions it took.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final, Protocol

from attrs import evolve, frozen

from conformance.judging.environment import CALM, Environment
from conformance.judging.patterns import departures_of
from conformance.judging.refusals import refusing_growths_of_inspection
from conformance.judging.wording import shown
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    CanisterElsewhere,
    Instance,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Seen,
    Values,
)
from conformance.protocol.wire import answer_of
from spec.machine import choices_of, initial_state, step
from spec.production.choices import POLICIES, as_production
from spec.profile import Profile
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.ingress.submission import changes_settings
from spec.rules.management.settings import default_settings
from spec.state.canister import Canister, Empty, Stopped, Subnet
from spec.state.history import CanisterHistory
from spec.state.label import Label
from spec.state.request import Request, content_of
from spec.state.state import State
from spec.transition import NotEnabled, Step, Unspecified
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import Count

DEFAULT_STEPS: Final[Count] = 50_000
"""How many steps of the specification a scenario may take before it counts as inconclusive."""

DEFAULT_SECONDS: Final = 90.0
"""How long the judge may think about one scenario."""


@frozen
class Terms:
    """On what terms an implementation is judged."""

    profile: Profile
    subnet_size: Count
    subnet_admins: tuple[Principal, ...] = ()
    environment: Environment = CALM
    costs_are_exact: bool = True
    """The implementation follows the profile to the last cycle."""
    is_live: bool = False
    """The instance moves by itself, and so does its clock."""
    missing: frozenset[Text] = frozenset()
    """What it says that it does not have."""
    elsewhere: tuple[CanisterElsewhere, ...] = ()
    """The canisters that the instance begins with, on a second subnet."""
    steps: Count = DEFAULT_STEPS
    seconds: float = DEFAULT_SECONDS


class FiredRules(Set[Text]):
    """The names of the rules that fired, in the order in which each fired last."""

    def __init__(self) -> None:
        self._names: dict[Text, None] = {}

    def add(self, name: Text) -> None:
        """A rule fired."""
        self._names.pop(name, None)
        self._names[name] = None

    def latest(self, count: Count) -> tuple[Text, ...]:
        """The rules that fired last, the last one first."""
        return tuple(islice(reversed(self._names), count))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[Text]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Judge(Protocol):
    """A judge of one instance. Each method raises `verdicts.Judged` if what it is told is not allowed."""

    field_names: dict[int, Text]
    """Names of the fields of canisters' own records, in which a failure is told."""

    def submitted(self, request: Request, label: Label, seen: Accepted | Refused) -> None:
        """A request was handed in, which is this label."""
        ...

    def settled(self, advanced: Advanced, answers: Mapping[RequestId, Answer]) -> None:
        """The system came to rest, and these are the answers so far."""
        ...

    def answered(self, request_id: RequestId, seen: Answer) -> None:
        """A request that was asked for again has this status."""
        ...

    def queried(self, query: Query, effective_id: Principal, seen: QueryAnswer) -> None:
        """A query was asked."""
        ...

    def was_read(
        self, sender: Principal, effective_id: Principal, paths: Sequence[Path], seen: Values | Refused
    ) -> None:
        """The certified state was read."""
        ...

    @property
    def effort(self) -> Mapping[str, int]:
        """How much the judge had to do, for the report."""
        ...

    @property
    def likely_state(self) -> State:
        """A state in which the implementation may be."""
        ...

    def knows(self, identifier: Blob) -> bool:
        """The implementation is known to use this id for what has it in the likely state."""
        ...

    @property
    def knows_the_order(self) -> bool:
        """The judge is told in which order things happened, and need not try others."""
        ...

    @property
    def knows_all_values(self) -> bool:
        """Nothing that the system chose is unknown, as random bytes are that a canister keeps to itself."""
        ...

    def new_steps(self) -> Sequence[Text | Callable[[], Text]]:
        """The steps that were certainly taken since the last time, in words, or what puts them into words."""
        ...

    @property
    def departures(self) -> Sequence[Text]:
        """What the implementation did otherwise than production does."""
        ...

    @property
    def has_refused(self) -> bool:
        """The system let a memory not grow, or took no call, though nothing obliged it to."""
        ...

    def said_after_refusals(self) -> Iterator[Mapping[Blob, Seen]]:
        """
        For each state in which the implementation may be since the system refused something: what the specification
        says where another reply was taken for it, as costs are its own, by the request's id or the query's nonce.
        """
        ...

    @property
    def fired(self) -> "FiredRules":
        """The rules that fired."""
        ...


def first_state(terms: Terms, instance: Instance) -> State:
    """The specification's state of a new instance."""
    subnet = Subnet(instance.subnet_id, terms.subnet_size)
    state = initial_state(terms.profile, subnet, instance.system_time, instance.root_key)
    admins = [(instance.subnet_id, List.of(*terms.subnet_admins))] if terms.subnet_admins else []
    canisters = [(each.canister_id, standing_elsewhere(each, terms, instance)) for each in terms.elsewhere]
    return evolve(state, subnet_admins=Map.of(admins), canisters=Map.of(canisters))


def standing_elsewhere(given: CanisterElsewhere, terms: Terms, instance: Instance) -> Canister:
    """A canister that an instance begins with, on its second subnet."""
    assert instance.other_subnet_id is not None, "an instance that takes such canisters says where they are"
    assert given.controllers, "somebody controls it"
    settings = default_settings(terms.profile, given.controllers[0])
    return Canister(
        code=Empty(),
        settings=evolve(settings, controllers=List.of(*given.controllers)),
        status=Stopped(),
        version=given.version,
        subnet=Subnet(instance.other_subnet_id, terms.subnet_size),
        time=instance.system_time,
        global_timer=0,
        balance=given.cycles,
        reserved_balance=0,
        certified_data=b"",
        created_at=instance.system_time,
        installed_at=None,
        history=CanisterHistory(given.total_changes, List()),
    )


def submission(state: State, request: Request, label: Label) -> tuple[Accepted | Refused, State] | Text:
    """What handing in a request by a label shows, and the state after; a text if the specification is silent."""
    match step(state, label):
        case Step() as fired:
            return Accepted(request_id_of(request)), fired.state
        case NotEnabled(reject=None):
            return Refused(), state
        case NotEnabled(reject=reject):
            assert reject is not None
            return Refused(int(reject.code), reject.reason), state
        case Unspecified(because):
            return because


def submission_labels(state: State, label: Label) -> Iterator[Label]:
    """The labels that handing in a request may be: with the choices of production first, then with the others."""
    if label.rule != "submit_management_request" or not changes_settings(content_of(label.arguments()["request"])):
        # Reason: nothing else is chosen about other requests, and what production chooses takes a while to know.
        yield label
        yield from refusing_growths_of_inspection(state, label)
        return
    likely = as_production(state, label)
    yield likely
    for name in POLICIES[label.rule]:
        yield Label(label.rule, {**likely.arguments(), name: not choices_of(likely)[name]})


def status_in(state: State, request_id: RequestId) -> Answer:
    """The status of a request in a state."""
    return answer_of(state.requests[request_id].status if request_id in state.requests else None)


def submission_agrees(allowed: Accepted | Refused, seen: Accepted | Refused) -> bool:
    """The request was taken in under its id, or refused, as the specification says."""
    return isinstance(seen, Refused) if isinstance(allowed, Refused) else allowed == seen


def is_repetition(state: State, label: Label, seen: Accepted | Refused) -> bool:
    """
    A request that is known was handed in again at its endpoint, and is said to be taken in: nothing happens.

    Source: https-interface, overview of calls ("pointless (but harmless)"); production says so too.
    """
    if not isinstance(seen, Accepted) or seen.request_id not in state.requests:
        return False
    content = content_of(label.arguments()["request"])
    known = state.requests[seen.request_id]
    return request_id_of(content) == seen.request_id and known.effective_id == label.arguments().get("effective_id")


def refused_otherwise(allowed: Accepted | Refused, seen: Accepted | Refused) -> tuple[Text, ...]:
    """What a refusal tells otherwise than production does."""
    return departures_of(allowed, seen) if isinstance(allowed, Refused) and isinstance(seen, Refused) else ()


def shown_submission(seen: Accepted | Refused) -> Text:
    """The outcome of a submission in words."""
    return f"accepted under the id 0x{seen.request_id.hex()}" if isinstance(seen, Accepted) else shown(seen)
