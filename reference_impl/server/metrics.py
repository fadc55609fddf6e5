"""
Figures of a running server in the format of Prometheus.

What clients do is counted as it happens; what the instance holds is looked at when somebody asks for the figures.
"""

import re
from typing import Final

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from reference_impl.server.asgi import API
from reference_impl.server.https_interface.answers import OK, Answer
from reference_impl.server.readable import Readable
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount, Count, Cycles

PATH: Final = "/_/metrics"
"""Where the figures are, under every name."""
ENDPOINT: Final = re.compile(r"/api/(v[234])/(canister|subnet)/[^/]*/(call|query|read_state)")
STATUS: Final = "/api/v2/status"
PAGE: Final = "page"
"""The endpoint of what is not of the interface."""
OTHER: Final = "other"
"""The endpoint of what the interface does not have."""
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The bounds by which times are counted: from a query to the patience of clients."""


@frozen
class Holding:
    """What an instance holds, and what it did since the process began."""

    canisters: Count
    memory: ByteCount
    requests: Count
    cycles_burned: Cycles
    executions: Count
    seconds_since_epoch: float

    @classmethod
    def of(cls, state: Readable) -> "Holding":
        """What is held now."""
        instance = state.instance
        return cls(
            canisters=len(instance.canisters),
            memory=sum(one.memory_usage() for one in instance.canisters.values()),
            requests=sum(1 for _ in instance.ingress.items()),
            cycles_burned=instance.recorder.cycles_burned,
            executions=instance.recorder.executions,
            seconds_since_epoch=instance.system_time / 1e9,
        )


class Metrics:
    """The figures of one server. They are its own, so that several may be in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "icspec_requests", "Requests that were answered.", ("endpoint", "status"), registry=self._registry
        )
        self._times = Histogram(
            "icspec_request_seconds",
            "How long answers took.",
            ("endpoint",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._rounds = Histogram(
            "icspec_round_seconds",
            "How long rounds took in which there was something to do.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._canisters = self._gauge("icspec_canisters", "Canisters of the instance.")
        self._memory = self._gauge("icspec_state_bytes", "The memory usage of all canisters, for which they pay.")
        self._known = self._gauge("icspec_known_requests", "Requests whose status is kept.")
        self._burned = self._gauge("icspec_cycles_burned", "Cycles that left the system since the process began.")
        self._executions = self._gauge("icspec_executions", "How often code ran since the process began.")
        self._time = self._gauge("icspec_system_time_seconds", "The time of the instance, in seconds since 1970.")

    def _gauge(self, name: Text, words: Text) -> Gauge:
        return Gauge(name, words, registry=self._registry)

    def answered(self, path: Text, outcome: Text, seconds: float) -> None:
        """Counts a request: its status, or what became of it else."""
        endpoint = endpoint_of(path)
        self._requests.labels(endpoint, outcome).inc()
        self._times.labels(endpoint).observe(seconds)

    def round_took(self, seconds: float) -> None:
        """Counts a round."""
        self._rounds.observe(seconds)

    def shown(self, holding: Holding) -> Answer:
        """All figures, as Prometheus reads them."""
        self._canisters.set(holding.canisters)
        self._memory.set(holding.memory)
        self._known.set(holding.requests)
        self._burned.set(holding.cycles_burned)
        self._executions.set(holding.executions)
        self._time.set(holding.seconds_since_epoch)
        return Answer(OK, generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4.encode())


def endpoint_of(path: Text) -> Text:
    """The endpoint at a path, without the ids in it: there are few of them, whatever is asked for."""
    matched = ENDPOINT.fullmatch(path)
    if matched is not None:
        return "/api/" + "/".join(matched.groups())
    if path in (STATUS, PATH):
        return path
    return OTHER if path.startswith(API) else PAGE
