"""
The state of an instance as it was committed last, which several threads read while the instance goes on.

An instance is changed in place. Where committed states are kept of it, a canister is copied before it changes for the
first time after a commit, so the records of the state before stay as they are; which canisters there are, and which
requests, is kept in persistent maps. A commit costs by what has changed since the last one.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, cast

from rpds import HashTrieMap

from reference_impl.reads.state_tree import state_tree
from reference_impl.subnet.canister_record import CanisterRecord, SharedClock
from reference_impl.subnet.ingress_history import Asker, IngressHistory
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.subnet.watched_canisters import WatchedCanisters
from spec.state.request import KnownRequest
from spec.values.identifiers import CanisterId, RequestId
from spec.values.quantities import Count


class CommittedRequests:
    """The requests that were known, to be read as those of an `IngressHistory`."""

    def __init__(
        self, known: "HashTrieMap[RequestId, KnownRequest]", not_certified: dict[RequestId, None] | None
    ) -> None:
        self.known = known
        self.not_certified = not_certified
        """Those that may have changed since the state tree was last made; None if any may have."""

    def __contains__(self, request_id: RequestId) -> bool:
        return request_id in self.known

    def __getitem__(self, request_id: RequestId) -> KnownRequest:
        return self.known[request_id]

    def get(self, request_id: RequestId) -> KnownRequest | None:
        """The request with this id, if it was known."""
        return self.known.get(request_id)

    def items(self) -> Iterable[tuple[RequestId, KnownRequest]]:
        """Pairs of request id and request."""
        return self.known.items()

    def __len__(self) -> int:
        return len(self.known)

    def changed(self, _: Asker) -> Iterable[RequestId] | None:
        """What the state tree, which alone asks, must look at. It asks once."""
        return self.not_certified


class CommittedStates:
    """
    Keeps the latest committed state of an instance.

    One thread changes the instance and commits; any thread reads. A state is there as long as somebody reads it.
    """

    def __init__(self, instance: SubnetInstance) -> None:
        """From now on canisters of the instance that are got by their ids are copies. What is there is committed."""
        self._instance = instance
        self._canisters = WatchedCanisters(instance.canisters)
        instance.canisters = self._canisters
        self._ingress: IngressHistory = instance.ingress
        self._ingress.changed(Asker.COMMITTED)
        self._lock = Lock()
        self._readers: Counter[SubnetInstance] = Counter()
        self.commits: Count = 0
        """How often something was committed that was not committed before."""
        self._latest = self._state(
            HashTrieMap(dict(instance.canisters.items())),
            CommittedRequests(HashTrieMap(dict(self._ingress.items())), None),
            dict.fromkeys(instance.canisters),
        )
        instance.committing = self

    def commit(self) -> SubnetInstance:
        """The state as it is now, which those read from now on who begin to. On the thread that changes it."""
        latest = self._latest
        touched, requests = self._canisters.touched, self._ingress.changed(Asker.COMMITTED)
        if not touched and requests is not None and not requests and self._is_as_late_as(latest):
            return latest
        with self._lock:
            if latest in self._readers:
                # Reason: the tree follows the states in their order, and cannot go back to this one later.
                state_tree(latest)
            self._latest = self._next(latest, requests)
        self.commits += 1
        return self._latest

    def _is_as_late_as(self, state: SubnetInstance) -> bool:
        return state.system_time == self._instance.system_time

    @contextmanager
    def reading(self) -> Iterator[SubnetInstance]:
        """The latest committed state. Nobody may change it."""
        with self._lock:
            state = self._latest
            self._readers[state] += 1
        try:
            yield state
        finally:
            with self._lock:
                self._readers[state] -= 1
                if not self._readers[state]:
                    del self._readers[state]

    def _next(self, before: SubnetInstance, requests: Iterable[RequestId] | None) -> SubnetInstance:
        canisters = cast("HashTrieMap[Any, Any]", before.canisters)
        for canister_id in self._canisters.touched:
            record = self._canisters.untouched(canister_id)
            if record is not None:
                canisters = canisters.insert(canister_id, record)
            elif canister_id in canisters:
                canisters = canisters.remove(canister_id)
        self._canisters.touched.clear()
        return self._state(canisters, self._requests_after(before, requests), _not_certified(before))

    def _requests_after(self, before: SubnetInstance, changed: Iterable[RequestId] | None) -> CommittedRequests:
        if changed is None:
            return CommittedRequests(HashTrieMap(dict(self._ingress.items())), None)
        committed = cast("CommittedRequests", before.ingress)
        known = committed.known
        for request_id in changed:
            now = self._ingress.get(request_id)
            if now is not None:
                known = known.insert(request_id, now)
            elif request_id in known:
                known = known.remove(request_id)
        to_look_at = {} if before.kept_tree is not None else committed.not_certified
        return CommittedRequests(known, None if to_look_at is None else {**to_look_at, **dict.fromkeys(changed)})

    def _state(
        self,
        canisters: "HashTrieMap[CanisterId, CanisterRecord]",
        requests: CommittedRequests,
        not_certified: dict[CanisterId, None],
    ) -> SubnetInstance:
        """The instance as it is now, with these canisters and requests. What reads ask for is apart from it."""
        instance = self._instance
        # Reason: this is the quickest way to copy it.
        state = SubnetInstance.__new__(SubnetInstance)
        state.__dict__.update(instance.__dict__)
        state.canisters, state.ingress = cast("Any", canisters), cast("Any", requests)
        state.to_certify, instance.to_certify = {**not_certified, **instance.to_certify}, {}
        state.clock = SharedClock(instance.clock.time)
        state.recorder = copy.copy(instance.recorder)
        state.canisters_on, state.memory_in_use = Counter(instance.canisters_on), Counter(instance.memory_in_use)
        state.committing, state.committed_from, state.kept_tree = None, instance, None
        return state


def _not_certified(before: SubnetInstance) -> dict[CanisterId, None]:
    """The canisters that the state tree has not looked at since they changed."""
    return {} if before.kept_tree is not None else before.to_certify
