"""Users who act on specification and reference implementation at once, and read the answers."""

from collections.abc import Sequence

from properties.agreement.lockstep import START, SUBNET, Disagreement, Lockstep
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import NotTaken
from spec.canister.wasm_state import WasmState
from spec.machine import step, submission_label
from spec.profile import Profile
from spec.reads.query import QueryResponse, query
from spec.state.canister import Canister, Code, Subnet
from spec.state.request import Replied, Request, RequestStatus
from spec.state.state import State
from spec.transition import NotEnabled
from spec.values import management
from spec.values.candid import CandidError, CandidType, CandidValue, decode, encode
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    self_authenticating_id,
)
from spec.values.management import CanisterInstallMode, InstallMode
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles
from spec.values.rejects import Reject, Reply, Response

ALICE = self_authenticating_id(b"alice")
"""Creates the canisters, and so controls them."""
BOB = self_authenticating_id(b"bob")
"""Controls nothing."""
MUCH: Cycles = 10**14
"""Enough for anything that a test does."""


class Stage:
    """Every action is taken on both sides; the lockstep compares them after every label."""

    def __init__(self, profile: Profile | None = None, root_key: Blob = ROOT_KEY, subnet: Subnet = SUBNET) -> None:
        self.lockstep = Lockstep(profile, subnet, root_key=root_key)

    @property
    def state(self) -> State:
        """The state of both."""
        return self.lockstep.state

    def canister(self, canister_id: CanisterId) -> Canister:
        """What both remember of a canister."""
        return self.state.canisters[canister_id]

    def wasm_state(self, canister_id: CanisterId) -> WasmState:
        """Memories and globals of a canister that has code."""
        code = self.canister(canister_id).code
        assert isinstance(code, Code), "the canister has code"
        return code.wasm_state

    def call(
        self, canister_id: CanisterId, method: MethodName, argument: Blob, sender: Principal = ALICE
    ) -> RequestStatus:
        """Submits a call and runs until nothing is left to do; how the request stands then."""
        request_id, known = self.lockstep.submit(sender, canister_id, method, argument)
        assert known and request_id is not None, (
            f"{method} is not even accepted: {self.refusal(canister_id, method, argument, sender)}"
        )
        self.lockstep.settle()
        return self.state.requests[request_id].status

    def ask(
        self,
        canister_id: CanisterId,
        method: MethodName,
        values: Sequence[tuple[CandidType, CandidValue]],
        results: Sequence[CandidType],
    ) -> tuple[CandidValue, ...]:
        """Calls a method in Candid; the values of the reply."""
        argument = encode([kind for kind, _ in values], [value for _, value in values])
        status = self.call(canister_id, method, argument)
        assert isinstance(status, Replied), f"{method} was answered with {status}"
        return read(results, status.data)

    def query(self, canister_id: CanisterId, method: MethodName, argument: Blob, sender: Principal = ALICE) -> Response:
        """Asks both for the answer to a query call, which must be the same and change nothing."""
        expiry = START + 10**6 * NANOSECONDS_PER_SECOND
        request = Request(b"", expiry, sender, canister_id, method, argument)
        answer = query(self.state, request, canister_id, self.lockstep.certificate(canister_id))
        asked = Query(b"", expiry, sender, canister_id, method, argument)
        other = self.lockstep.engine.query(asked, canister_id)
        if not isinstance(answer, QueryResponse) or isinstance(other, NotTaken) or not same(answer.response, other):
            raise Disagreement(f"query {method}: {answer}, but {other}")
        self.lockstep.compare_states()
        return answer.response

    def look_up(
        self,
        canister_id: CanisterId,
        method: MethodName,
        values: Sequence[tuple[CandidType, CandidValue]],
        results: Sequence[CandidType],
    ) -> tuple[CandidValue, ...]:
        """Calls a query method in Candid; the values of the reply."""
        argument = encode([kind for kind, _ in values], [value for _, value in values])
        answer = self.query(canister_id, method, argument)
        assert isinstance(answer, Reply), f"{method} was answered with {answer}"
        return read(results, answer.data)

    def refusal(
        self, canister_id: CanisterId, method: MethodName, argument: Blob, sender: Principal = ALICE
    ) -> Reject | None:
        """Submits a call that must not be accepted on either side, and must leave no trace; with what it is refused."""
        request = Request(b"", START + 240 * NANOSECONDS_PER_SECOND, sender, canister_id, method, argument)
        label = submission_label(request, self.lockstep.effective_id(request))
        refused = step(self.state, label)
        assert isinstance(refused, NotEnabled), f"{method} is accepted"
        assert not self.lockstep.take(label)
        self.lockstep.compare_states()
        return refused.reject

    # Management.

    def manage(
        self, method: MethodName, arguments: management.ManagementArguments, sender: Principal = ALICE
    ) -> RequestStatus:
        """Calls a method of the management canister."""
        return self.call(MANAGEMENT_CANISTER, method, management.encode_arguments(arguments), sender)

    def control(self, method: MethodName, canister_id: CanisterId, sender: Principal = ALICE) -> RequestStatus:
        """Calls a method of the management canister that only takes the id of a canister."""
        if method == "uninstall_code":
            return self.manage(method, management.UninstallCodeArguments(canister_id), sender)
        return self.manage(method, management.CanisterIdArguments(canister_id), sender)

    def create(self, cycles: Cycles = MUCH, specified_id: CanisterId | None = None) -> CanisterId:
        """A new canister of Alice's, with an id that is given or found."""
        before = {canister_id for canister_id, _ in self.state.canisters.items()}
        status = self.manage(
            "provisional_create_canister_with_cycles",
            management.ProvisionalCreateArguments(amount=cycles, specified_id=specified_id),
        )
        assert isinstance(status, Replied), f"no canister was created: {status}"
        (created,) = {canister_id for canister_id, _ in self.state.canisters.items()} - before
        return created

    def install(
        self, canister_id: CanisterId, module: Blob, mode: CanisterInstallMode | None = None, argument: Blob = b""
    ) -> RequestStatus:
        """Installs a module."""
        arguments = management.InstallCodeArguments(mode or InstallMode(), canister_id, module, argument)
        return self.manage("install_code", arguments)

    def installed(
        self, module: Blob, argument: Blob = b"", cycles: Cycles = MUCH, specified_id: CanisterId | None = None
    ) -> CanisterId:
        """A new canister with this module."""
        canister_id = self.create(cycles, specified_id)
        status = self.install(canister_id, module, argument=argument)
        assert isinstance(status, Replied), f"the module was not installed: {status}"
        return canister_id


def same(one: Response, other: Response) -> bool:
    """Equal but for the words of a reject that the system made."""
    if isinstance(one, Reject) and isinstance(other, Reject):
        return (one.code, one.reason) == (other.code, other.reason)
    return one == other


def read(results: Sequence[CandidType], data: Blob) -> tuple[CandidValue, ...]:
    """The values of a reply."""
    values = decode(results, data)
    assert not isinstance(values, CandidError), f"the reply is not of the expected type: {values.because}"
    return values


NO_VALUES = encode([], [])
"""The argument of methods without parameters."""
