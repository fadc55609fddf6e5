"""The engine: a subnet that runs canisters, on its own or one named transition at a time."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from reference_impl.certification.signing import network_of
from reference_impl.messages import requests
from reference_impl.reads import queries
from reference_impl.reads.committed_states import CommittedStates
from reference_impl.reads.kept_answers import KeptAnswers
from reference_impl.reads.queries import Query
from reference_impl.rounds import transitions
from reference_impl.rounds.foresight import Foresight
from reference_impl.rounds.residence import Residence
from reference_impl.rounds.scheduler import Scheduler
from reference_impl.subnet.network import Network
from reference_impl.subnet.observations import Accepted, ClaimedStep, NotTaken, Observation
from reference_impl.subnet.outside_world import OutsideWorld
from reference_impl.subnet.subnet_instance import Loader, SubnetInstance
from reference_impl.trace import abstraction
from reference_impl.wasm.running.module import load_module
from spec.profile import Profile
from spec.state.canister import Canister, Subnet
from spec.state.label import Label
from spec.state.request import Endpoint, RequestStatus, Submission, content_of
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, RequestId, SubnetId
from spec.values.quantities import Count, Nanoseconds
from spec.values.rejects import Response

Answered = TypeVar("Answered")


class Engine:
    """
    The reference implementation.

    It is deterministic: equal inputs give equal steps. `submit`, `query`, `advance`, `round` and `drain` run it as a
    system; `take` lets the caller choose each transition; `explain` tells the transitions taken either way.
    """

    def __init__(
        self,
        profile: Profile,
        subnet: Subnet,
        system_time: Nanoseconds,
        root_key: Blob,
        *,
        subnet_admins: dict[SubnetId, List[Principal]] | None = None,
        loader: Loader = load_module,
        world: OutsideWorld | None = None,
        canisters: Mapping[CanisterId, Canister] | None = None,
        network: Network | None = None,
        explains: bool = True,
        threads: Count = 1,
        residence: Residence | None = None,
        keeps_answers: bool = False,
        tells_newer_fields: bool = False,
    ) -> None:
        """
        Canisters given are there at the beginning, on this subnet or on others; `ValueError` if one has code.

        A network says which subnets there are, `subnet` among them; without one, that is the only subnet. An engine
        that explains nothing is faster: `explain` and `last_shown` have nothing to tell then. Canisters execute on so
        many threads, and a residence bounds what their memories take of this machine's; what comes of it does not
        depend on that. Nor does it on whether answers to queries are kept. Results of the management canister have
        fields of later versions of the interface too if `tells_newer_fields` says so.
        """
        self.instance = SubnetInstance(
            profile,
            subnet,
            system_time,
            network_of(subnet, root_key) if network is None else network,
            loader=loader,
            subnet_admins=subnet_admins,
            world=world,
            canisters=canisters,
            explains=explains,
            tells_newer_fields=tells_newer_fields,
        )
        foresight = Foresight(threads) if threads > 1 else None
        self.instance.foresight = foresight
        self._answers = KeptAnswers() if keeps_answers else None
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="queries") if threads > 1 else None
        self.residence = residence
        """What bounds the memory that canisters take; None if nothing does."""
        self.threads = threads
        """On so many canisters execute, and on so many others queries are answered."""
        self._scheduler = Scheduler(self.instance, foresight, residence)

    def submit(
        self, request: Submission, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | NotTaken:
        """Takes an update call in, without beginning to process it; a refused one leaves no trace."""
        if self.instance.messages.pending_function is not None:
            self._scheduler.finish_pending()
        if endpoint is not Endpoint.SUBNET and content_of(request).canister_id != MANAGEMENT_CANISTER:
            taken = requests.submit_request(self.instance, request, effective_id)
            if self.instance.recorder.explains and isinstance(taken, Accepted):
                self.instance.recorder.close("submit_request", {"request": request, "effective_id": effective_id})
            return taken
        choices: dict[str, object] = {"request": request, "effective_id": effective_id}
        rule = "submit_subnet_request"
        if endpoint is not Endpoint.SUBNET:
            rule = "submit_management_request"
            if requests.changes_frozen_canister(self.instance, request):
                choices["may_unfreeze"] = True
        outcome = transitions.take_own(self.instance, rule, choices)
        assert outcome is not None, "a submission is accepted or refused"
        return outcome

    @defines("seed1.query-single-node", "seed1.query-scaling")
    def query(self, query: Query, effective_id: Principal, state: SubnetInstance | None = None) -> Response | NotTaken:
        """
        Evaluates a query on a committed state, or on the state as it is if none is given.

        Threads may do so at the same time: on the state as it is, as long as that stays.
        """
        return queries.answer_query(self.instance if state is None else state, query, effective_id, self._answers)

    def keep_committed_states(self) -> CommittedStates:
        """From now on there is, beside the state that changes, the one that was committed last, for other threads."""
        return CommittedStates(self.instance)

    @defines("seed1.query-concurrent-threads")
    def query_together(self, asked: Iterable[tuple[Query, Principal]]) -> list[Response | NotTaken]:
        """The answers to queries with their effective ids, which are evaluated on as many threads as there are."""
        return self.at_once([partial(_query, one) for one in asked])

    def at_once(self, acts: Iterable[Callable[["Engine"], Answered]]) -> list[Answered]:
        """What acts give that change nothing. They are done on as many threads as there are."""
        if self._readers is None:
            return [act(self) for act in acts]
        return list(self._readers.map(lambda act: act(self), acts))

    def request_status(self, request_id: RequestId) -> RequestStatus | None:
        """How far a request is; None if it is not known."""
        known = self.instance.ingress.by_id.get(request_id)
        return None if known is None else known.status

    def advance(self, nanoseconds: Nanoseconds) -> None:
        """
        The system's clock moves on, and the clock of each canister moves on to the same time.

        Calls that have waited too long by then are given up.
        """
        self._scheduler.finish_pending()
        if self.instance.recorder.explains:
            self._move_clocks(nanoseconds)
        else:
            self.instance.move_on(self.instance.system_time + max(nanoseconds, 0))
        self._scheduler.expire()

    def _move_clocks(self, nanoseconds: Nanoseconds) -> None:
        """The clocks move on one by one."""
        if nanoseconds > 0:
            time = self.instance.system_time + nanoseconds
            self.take(Label("system_time_progress", {"time": time}))
        for canister_id in sorted(self.instance.canisters):
            if self.instance.canisters[canister_id].time < self.instance.system_time:
                choices = {"canister_id": canister_id, "time": self.instance.system_time}
                self.take(Label("canister_time_progress", choices))

    def round(self) -> None:
        """One round of the engine's own schedule."""
        self._scheduler.round()

    @property
    def rounds(self) -> Count:
        """How many rounds there were, by which the turns of canisters go."""
        return self._scheduler.rounds

    @rounds.setter
    def rounds(self, rounds: Count) -> None:
        self._scheduler.rounds = rounds

    @property
    def is_quiescent(self) -> bool:
        """Nothing is left to do without new input, and before time progresses."""
        return self._scheduler.is_quiescent

    def drain(self, most_rounds: Count = 10_000) -> Count:
        """Rounds until nothing is left to do, or so many at most; the result is how many there were."""
        done = 0
        while done < most_rounds and not self.is_quiescent:
            self.round()
            done += 1
        return done

    def take(self, label: Label) -> Accepted | NotTaken | None:
        """Takes exactly the transition that the label names; `NotTaken` if it cannot be taken now."""
        return transitions.take(self.instance, label)

    @property
    def last_shown(self) -> tuple[Observation, ...]:
        """What the latest step showed. There must be one since `explain` was called."""
        return self.instance.recorder.last.outputs

    def explain(self) -> list[ClaimedStep]:
        """The transitions taken since the last call, with what each showed."""
        return self.instance.recorder.take_steps()

    def abstract(self) -> State:
        """The state of the specification that the engine is in."""
        return abstraction.abstract(self.instance)


def _query(asked: tuple[Query, Principal], engine: Engine) -> Response | NotTaken:
    return engine.query(*asked)
