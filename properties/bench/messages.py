"""What messages cost on the whole engine, from submission to answer, in units of a call into WebAssembly."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Final

import wasmtime
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from properties.bench.kernels import BEATING, messages
from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.observations import Accepted
from reference_impl.wasm.instances import wasmtime_engine
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.request import Replied, Request, SignedRequest, Submission
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    self_authenticating_id,
)
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.quantities import Cycles, Nanoseconds
from spec.values.rejects import Reply

NOW: Final[Nanoseconds] = 1_700_000_000_000_000_000
MINUTE: Final[Nanoseconds] = 60 * 10**9
USER: Final = self_authenticating_id(b"user")
PLENTY: Final[Cycles] = 10**24
"""Enough for any number of messages."""
SERIES: Final = 20
"""So many messages are measured together."""
REPEATED: Final = 60
"""So often everything is measured, in turns, so that all see the same disturbances; the least of each counts."""

AIMS: Final[Mapping[str, float | None]] = {
    "an empty update": 3,
    "an update that writes a page": 6,
    "an update that asks the host": 4,
    "an update that calls another canister": 12,
    "a query": 2.5,
    "a heartbeat": None,
    "a signed update, its signature checked": None,
    "a signed update, vouched for": None,
}
"""At most so many bare calls; None where no aim is set."""
PUBLISHED: Final = 238e-6
"""
Seconds that production publishes for one update with an empty method, for its execution environment alone.

Source: the baseline that stands beside its benchmarks, rs/execution_environment/benches/baseline.
"""


class Subject:
    """An engine with a canister that is measured, and one that it calls."""

    def __init__(self) -> None:
        profile = load_profile()
        self.engine = Engine(profile, Subnet(self_authenticating_id(b"subnet"), 13), NOW, b"root key", explains=False)
        self._numbers = count()
        self.callee = self._created(b"")
        self.canister_id = self._created(self.callee)

    def _created(self, callee: Blob) -> CanisterId:
        return self.installed(messages(callee))

    def installed(self, text: str) -> CanisterId:
        """A new canister with this code."""
        management = CanisterId(MANAGEMENT_CANISTER)
        creation = encode_arguments(ProvisionalCreateArguments(PLENTY))
        method = "provisional_create_canister_with_cycles"
        created = decode_canister_id_result(self.answer(management, management, method, creation))
        assert created is not None
        code = bytes(wasmtime.wat2wasm(text))
        install = encode_arguments(InstallCodeArguments(InstallMode(), created, code))
        self.answer(management, created, "install_code", install)
        return created

    def request(self, canister_id: CanisterId, method: MethodName, argument: Blob, sender: Principal = USER) -> Request:
        """A request that was never made before."""
        return Request(next(self._numbers).to_bytes(8, "big"), NOW + MINUTE, sender, canister_id, method, argument)

    def answer(self, canister_id: CanisterId, effective_id: CanisterId, method: MethodName, argument: Blob) -> Blob:
        """Submits a request and runs rounds until it is answered with a reply."""
        return self.answer_to(self.request(canister_id, method, argument), effective_id)

    def answer_to(self, submission: Submission, effective_id: CanisterId) -> Blob:
        """The same of a request in hand."""
        accepted = self.engine.submit(submission, effective_id)
        assert isinstance(accepted, Accepted), accepted
        while not isinstance(status := self.engine.request_status(accepted.request_id), Replied):
            self.engine.round()
        return status.data

    def update(self, method: MethodName) -> None:
        """One update of the canister that is measured."""
        self.answer(self.canister_id, self.canister_id, method, b"")

    def query(self) -> None:
        """One query of the canister that is measured."""
        asked = Query(b"", NOW + MINUTE, USER, self.canister_id, "look", b"")
        assert isinstance(self.engine.query(asked, self.canister_id), Reply)

    def signed_requests(self, number: int) -> list[SignedRequest]:
        """So many requests for empty updates, each signed by its sender."""
        key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
        public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        sender = self_authenticating_id(public_key)
        requests = [self.request(self.canister_id, "empty", b"", sender) for _ in range(number)]
        return [SignedRequest(one, public_key, key.sign(b"\x0aic-request" + request_id_of(one))) for one in requests]


class Beating(Subject):
    """An engine with a canister that beats, and nothing else to do."""

    def __init__(self) -> None:
        super().__init__()
        self._record = self.engine.instance.canisters[self.installed(BEATING)]

    def beat(self) -> None:
        """The clock moves on, and the next round runs the heartbeat."""
        version = self._record.version
        self.engine.advance(1)
        self.engine.round()
        assert self._record.version == version + 1, "the heartbeat ran"


def bare_call() -> Callable[[], object]:
    """Calls an empty function of a module, with the checks of the package."""
    store = wasmtime.Store(wasmtime_engine.engine())
    module = wasmtime.Module(wasmtime_engine.engine(), bytes(wasmtime.wat2wasm('(module (func (export "f")))')))
    function = wasmtime.Instance(store, module, []).exports(store)["f"]
    assert isinstance(function, wasmtime.Func)
    return partial(function, store)


def least_in_turns(runs: Mapping[str, Callable[[], object]], repeated: int = REPEATED) -> dict[str, float]:
    """For each, the least processor time of one run in seconds; all are measured in turns."""
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repeated):
        for name, run in runs.items():
            start = time.process_time()
            for _ in range(SERIES):
                run()
            least[name] = min(least[name], (time.process_time() - start) / SERIES)
    return least


def measured(repeated: int = REPEATED) -> dict[str, float]:
    """Each kind of message in units of a bare call, and the bare call itself in seconds, all from one run."""
    subject, beating = Subject(), Beating()
    signed = iter(subject.signed_requests(SERIES * repeated))
    vouched_for = iter([one.request for one in subject.signed_requests(SERIES * repeated)])
    times = least_in_turns(
        {
            "a bare call": bare_call(),
            "an empty update": partial(subject.update, "empty"),
            "an update that writes a page": partial(subject.update, "page"),
            "an update that asks the host": partial(subject.update, "host"),
            "an update that calls another canister": partial(subject.update, "call"),
            "a query": subject.query,
            "a heartbeat": beating.beat,
            "a signed update, its signature checked": lambda: subject.answer_to(next(signed), subject.canister_id),
            "a signed update, vouched for": lambda: subject.answer_to(next(vouched_for), subject.canister_id),
        },
        repeated,
    )
    bare = times.pop("a bare call")
    return {"a bare call": bare, **{name: seconds / bare for name, seconds in times.items()}}
