"""What messages cost on the whole engine, from submission to answer, in units of a call into WebAssembly."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Final

import wasmtime

from properties.bench.kernels import messages
from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import Accepted
from reference_impl.wasm.instances import wasmtime_engine
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.request import Replied, Request
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, self_authenticating_id
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

AIMS: Final[Mapping[str, float]] = {
    "an empty update": 3,
    "an update that writes a page": 6,
    "an update that asks the host": 4,
    "an update that calls another canister": 12,
    "a query": 2.5,
}
"""At most so many bare calls."""


class Subject:
    """An engine with a canister that is measured, and one that it calls."""

    def __init__(self) -> None:
        profile = load_profile()
        self.engine = Engine(profile, Subnet(self_authenticating_id(b"subnet"), 13), NOW, b"root key", explains=False)
        self._numbers = count()
        self.callee = self._created(b"")
        self.canister_id = self._created(self.callee)

    def _created(self, callee: Blob) -> CanisterId:
        management = CanisterId(MANAGEMENT_CANISTER)
        creation = encode_arguments(ProvisionalCreateArguments(PLENTY))
        method = "provisional_create_canister_with_cycles"
        created = decode_canister_id_result(self.answer(management, management, method, creation))
        assert created is not None
        code = bytes(wasmtime.wat2wasm(messages(callee)))
        install = encode_arguments(InstallCodeArguments(InstallMode(), created, code))
        self.answer(management, created, "install_code", install)
        return created

    def answer(self, canister_id: CanisterId, effective_id: CanisterId, method: MethodName, argument: Blob) -> Blob:
        """Submits a request and runs rounds until it is answered with a reply."""
        number = next(self._numbers)
        request = Request(number.to_bytes(8, "big"), NOW + MINUTE, USER, canister_id, method, argument)
        accepted = self.engine.submit(request, effective_id)
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
    subject = Subject()
    times = least_in_turns(
        {
            "a bare call": bare_call(),
            "an empty update": partial(subject.update, "empty"),
            "an update that writes a page": partial(subject.update, "page"),
            "an update that asks the host": partial(subject.update, "host"),
            "an update that calls another canister": partial(subject.update, "call"),
            "a query": subject.query,
        },
        repeated,
    )
    bare = times.pop("a bare call")
    return {"a bare call": bare, **{name: seconds / bare for name, seconds in times.items()}}
