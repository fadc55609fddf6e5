"""
The closing look: when a scenario has ended, the judge observes by itself what can be observed.

Each observation is a step like those that scenarios take, judged by the same judge on the same terms. Which ones are
made follows from a state in which the implementation may be: its canisters, who controls them, what they hold. First
come queries and reads, which change nothing; then calls of methods that only tell, and what code tells in replicated
execution. An observation that may rightly come out otherwise is left out, with the reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from enum import Enum
from functools import partial
from itertools import chain
from typing import Final

from attrs import field, frozen

from conformance.judging.candid_text import names
from conformance.judging.judge import Judge, Terms
from conformance.judging.replaying import Replay
from conformance.judging.verdicts import Judged, NotApplicable, SpecificationIsSilent
from conformance.protocol.interface import Description, InstanceKind, Path, Replied, Unsupported
from conformance.protocol.versions import PATHS, has
from conformance.suite import looking_at_code
from conformance.suite.acting import Sent
from conformance.suite.people import ALICE, USERS
from conformance.suite.stage import Stage
from spec.rules.modules import module_of
from spec.state.canister import Canister, Code
from spec.state.state import State
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MethodName, Principal, Text
from spec.values.quantities import Count

QUERIES: Final = ("canister_status", "canister_metrics", "fetch_canister_logs")
"""Methods of the management canister that tell a controller of a canister by a query."""

TELLING: Final = ("list_canister_snapshots", "stored_chunks")
"""Methods that tell a controller of a canister by an update call."""

DATED: Final = frozenset({"fetch_canister_logs", "list_canister_snapshots"})
"""Methods that tell when something happened."""

AT_ONCE: Final[Count] = 3
"""So many calls are handed in together. Reason: a judge that searches may have to try every order of them."""

READ_REQUESTS: Final[Count] = 2
"""Of so many of the newest requests the status is read once more."""

READ_BYTES: Final = 4_096
"""So much is read of the memories of a snapshot, from their beginning."""

CHANGES: Final[Count] = 20
"""So many changes are asked for; production keeps no more."""

NO_CONTROLLER: Final = "no user controls the canister"
UNTOLD: Final = "what the system chose was not told"
OPEN: Final = "the text leaves open what the canister was told and holds"
MOVES: Final = "the instance moves by itself"
TROUBLED: Final = "the environment may answer anything"
MISSING: Final = "the implementation does not have it"
NOBODY_ASKS: Final = "no canister is there that can ask"


class Looking(Enum):
    """When the judge looks by itself."""

    NEVER = "never"
    AT_THE_END = "at-the-end"
    AFTER_EACH_SETTLING = "after-each-settling"
    """Also, without changing anything, whenever the system came to rest."""


@frozen
class Looked:
    """What was looked at."""

    observations: Count = 0
    left_out: Mapping[Text, Count] = field(factory=dict)
    """How many observations were not made, by reason."""


class Look:
    """The judge's own look at the stage of one scenario."""

    def __init__(self, stage: Stage, judge: Judge, description: Description, terms: Terms) -> None:
        self._stage = stage
        self._judge = judge
        self._description = description
        self._terms = terms
        self._made = 0
        self._left_out: Counter[Text] = Counter()

    @property
    def looked(self) -> Looked:
        """What was looked at so far."""
        return Looked(self._made, {reason: count for reason, count in self._left_out.items() if count})

    def at_the_end(self) -> None:
        """Looks at everything. Raises `Judged` if something is not allowed."""
        with self._stage.looking():
            self._carefully(self._everything)

    def in_between(self) -> None:
        """Looks at what can be seen without changing anything. Raises `Judged` likewise."""
        with self._stage.looking():
            self._carefully(self._without_change)

    def _carefully(self, look: Callable[[], None]) -> None:
        """
        Ends a look where the specification is silent, or the implementation does not offer something.

        Raises `Judged` if something is not allowed, and where the judge comes to no end.
        """
        try:
            look()
        except Judged as judged:
            if not isinstance(judged, SpecificationIsSilent) and not isinstance(judged.verdict, NotApplicable):
                raise
            self._left_out[judged.verdict.why] += 1
        except Unsupported as problem:
            self._left_out[str(problem)] += 1

    def _everything(self) -> None:
        self._stage.settle_what_is_open()
        self._without_change()
        if self._terms.environment.is_calm:
            with self._judge.following_at_rest() if isinstance(self._judge, Replay) else nullcontext():
                self._by_calls()
        else:
            self._left_out[TROUBLED] += 1

    # Without change

    def _without_change(self) -> None:
        newest = self._stage.accepted[-READ_REQUESTS:]
        unread = dict(enumerate(newest))
        for canister_id, canister in self._canisters():
            self._ask(canister_id, canister)
            self._read(canister_id, canister, unread)
            if looking_at_code.can_tell(canister):
                self._listen(canister_id, canister)
        for place, (sent, effective_id) in enumerate(newest):
            self._ask_again(sent, effective_id if place in unread else None)

    def _ask(self, canister_id: CanisterId, canister: Canister) -> None:
        """What the management canister tells a controller by queries."""
        for method_name in QUERIES:
            controller = self._controller_for(method_name, canister, "query")
            if controller is not None:
                argument = management.encode_arguments(management.CanisterIdArguments(canister_id))
                self._stage.query(MANAGEMENT_CANISTER, argument, method_name, controller, canister_id)
                self._made += 1

    def _read(self, canister_id: CanisterId, canister: Canister, unread: dict[Count, tuple[Sent, Principal]]) -> None:
        """
        What the certified state tells a controller, or anybody.

        With it is read what it tells of one of their requests that are not read yet: so few can be read at once.
        """
        if "read" in self._description.missing:
            self._left_out[MISSING] += 1
            return
        controller = controller_of(canister)
        leaves, version = [b"controllers", b"module_hash"], self._description.interface_specification
        leaves += [leaf for leaf, since in PATHS.items() if self._is_deterministic and has(version, since)]
        paths: list[Path] = [(b"canister", canister_id, name) for name in leaves]
        paths += [
            (b"canister", canister_id, b"metadata", name)
            for name in sections(self._state, canister, with_private=controller is not None)
        ]
        reader = ALICE if controller is None else controller
        for place, (sent, effective_id) in unread.items():
            if effective_id == canister_id and sent.request.sender == reader:
                paths += paths_of(sent)
                del unread[place]
                break
        self._stage.read(canister_id, paths, reader)
        self._made += len(paths)

    def _listen(self, canister_id: CanisterId, canister: Canister) -> None:
        """What code that can tell sees and holds."""
        if "query" in self._description.missing:
            self._left_out[MISSING] += 1
            return
        asked = looking_at_code.questions(
            canister, self._judge.knows_all_values, self._terms.costs_are_exact, self._judge.knows_the_order
        )
        self._judge.field_names |= names(asked.names)
        self._left_out[OPEN] += asked.left_out
        self._made += len(asked.apart)
        answers = [self._stage.query(canister_id, question) for question in asked.at_once]
        if asked.at_once != asked.apart and not all(isinstance(answer, Replied) for answer in answers):
            for question in asked.apart:
                self._stage.query(canister_id, question)

    def _ask_again(self, sent: Sent, effective_id: Principal | None) -> None:
        """How far a request is, once more; what the certified state tells of it too, where it can be read there."""
        self._stage.ask_again(sent)
        self._made += 1
        if effective_id is None or "read" in self._description.missing:
            return
        if effective_id in self._state.canisters:
            paths = paths_of(sent)
            self._stage.read(effective_id, paths, sent.request.sender)
            self._made += len(paths)

    # By calls

    def _by_calls(self) -> None:
        """Makes calls, as many at once as the judge can follow."""
        waiting, asking = 0, self._asking
        told_by_code = chain(self._timer_calls(asking), self._history_calls(asking))
        for hand_in in chain(self._telling_calls(), self._snapshot_calls(), told_by_code):
            hand_in()
            self._made += 1
            waiting += 1
            if waiting == AT_ONCE and not self._judge.knows_the_order:
                self._stage.settle()
                waiting = 0
        if waiting:
            self._stage.settle()

    def _telling_calls(self) -> Iterator[Callable[[], object]]:
        """The calls of methods that tell a controller something about a canister."""
        for canister_id, canister in self._canisters():
            for method_name in TELLING:
                controller = self._controller_for(method_name, canister)
                if controller is None:
                    continue
                if method_name == "list_canister_snapshots" and not self._knows(canister):
                    self._left_out[UNTOLD] += 1
                    continue
                yield self._managed(method_name, management.CanisterIdArguments(canister_id), canister_id, controller)

    def _snapshot_calls(self) -> Iterator[Callable[[], object]]:
        """The calls that tell what is in snapshots."""
        for canister_id, canister in self._canisters():
            for snapshot_id, snapshot in canister.snapshots.items():
                if not self._judge.knows(snapshot_id):
                    self._left_out[UNTOLD] += 1
                    continue
                controller = self._controller_for("read_canister_snapshot_metadata", canister)
                if controller is not None and self._is_deterministic:
                    named = management.SnapshotArguments(canister_id, snapshot_id)
                    yield self._managed("read_canister_snapshot_metadata", named, canister_id, controller)
                controller = self._controller_for("read_canister_snapshot_data", canister)
                if controller is not None:
                    size = min(len(snapshot.raw_module), READ_BYTES)
                    part = management.ReadSnapshotDataArguments(
                        canister_id, snapshot_id, management.ModulePart(0, size)
                    )
                    yield self._managed("read_canister_snapshot_data", part, canister_id, controller)

    def _managed(
        self,
        method_name: MethodName,
        arguments: management.AnyArguments,
        canister_id: CanisterId,
        controller: Principal,
    ) -> Callable[[], object]:
        argument = management.encode_arguments(arguments)
        return partial(self._stage.send_managed, method_name, argument, canister_id, controller)

    def _timer_calls(self, asking: CanisterId | None) -> Iterator[Callable[[], object]]:
        """The calls of code that can tell when its timer was due, but of the canister that asks for histories."""
        for canister_id, canister in self._canisters():
            if looking_at_code.can_tell(canister) and canister_id != asking:
                yield partial(self._stage.send, canister_id, "update", looking_at_code.TIMER)

    def _history_calls(self, asking: CanisterId | None) -> Iterator[Callable[[], object]]:
        """The calls by which a canister learns of the changes of every canister; in the first it tells its timer."""
        if "canister_info" in self._description.missing or not self._is_deterministic:
            self._left_out[MISSING if "canister_info" in self._description.missing else MOVES] += 1
            return
        timer = None if asking is None else self._state.canisters[asking].global_timer
        for canister_id, _ in self._canisters():
            if asking is None:
                self._left_out[NOBODY_ASKS] += 1
                continue
            about = management.CanisterInfoArguments(canister_id, CHANGES)
            question = looking_at_code.asking("canister_info", about, timer)
            self._made += timer is not None
            timer = None
            yield partial(self._stage.send, asking, "update", question)

    # Helpers

    @property
    def _asking(self) -> CanisterId | None:
        """The canister that asks for the histories of all; None if none can, or none is to be asked for."""
        if "canister_info" in self._description.missing or not self._is_deterministic:
            return None
        known = ((each, canister) for each, canister in self._state.canisters.items() if self._judge.knows(each))
        return next((each for each, canister in known if looking_at_code.can_ask(canister)), None)

    @property
    def _state(self) -> State:
        return self._judge.likely_state

    @property
    def _is_deterministic(self) -> bool:
        return self._description.instance is InstanceKind.DETERMINISTIC

    def _canisters(self) -> Iterator[tuple[CanisterId, Canister]]:
        """The canisters whose ids the implementation is known to use, as they may be now."""
        for canister_id in list(self._state.canisters.keys()):
            if not self._judge.knows(canister_id):
                self._left_out[UNTOLD] += 1
            elif canister_id in self._state.canisters:
                yield canister_id, self._state.canisters[canister_id]

    def _knows(self, canister: Canister) -> bool:
        """The ids of all its snapshots are those of the implementation."""
        return all(self._judge.knows(each) for each, _ in canister.snapshots.items())

    def _controller_for(self, method_name: MethodName, canister: Canister, *verbs: Text) -> Principal | None:
        """A user who may call a method about a canister; None if there is none, or it should not be called."""
        controller = controller_of(canister)
        if self._description.missing & {method_name, *verbs}:
            self._left_out[MISSING] += 1
            return None
        if method_name in DATED and not self._is_deterministic:
            self._left_out[MOVES] += 1
            return None
        if controller is None:
            self._left_out[NO_CONTROLLER] += 1
        return controller


def paths_of(sent: Sent) -> list[Path]:
    """What the certified state has of a request."""
    assert sent.request_id is not None, "it was taken in"
    return [(b"request_status", sent.request_id, leaf) for leaf in (b"status", b"reject_code", b"reject_message")]


def controller_of(canister: Canister) -> Principal | None:
    """A user of scenarios who controls the canister."""
    return next((user for user in USERS if canister.settings.controllers.contains(user)), None)


def sections(state: State, canister: Canister, *, with_private: bool) -> list[bytes]:
    """The names of the custom sections that can be read, and one that there is not."""
    names = {b"icp nowhere"}
    if isinstance(canister.code, Code):
        module = module_of(state.profile, canister.code)
        names |= {name.encode() for name, _ in module.public_custom_sections.items()}
        names |= {name.encode() for name, _ in module.private_custom_sections.items()} if with_private else set()
    return sorted(names)
