"""
Certified state reads: who may read which paths, and what the certificate reveals.

Source: abstract-behavior, certified state reads.
"""

from collections import deque
from typing import Final

from attrs import field, frozen

from spec.certification.hash_tree import HashTree, Path, hash_tree, pruned
from spec.reads.answers import Endpoint as Endpoint
from spec.reads.management_query import subnet_of
from spec.reads.state_tree import root_subnet_id, state_tree
from spec.rules.modules import module_of
from spec.state.canister import Code
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, Blob, CanisterId, Principal, RequestId, SubnetId
from spec.values.quantities import Nanoseconds
from spec.values.rejects import RejectReason

MAXIMUM_PATHS: Final = 1000
"""In one request. Source: https-interface, read state."""
MAXIMUM_LABELS: Final = 127
"""In one path. Source: https-interface, read state."""
BOUNDARY_NODE_LEAVES = (b"domain", b"ipv4_address", b"ipv6_address")
REQUEST_LEAVES = (b"status", b"reply", b"reject_code", b"reject_message", b"error_code")
CANISTER_LEAVES = (b"module_hash", b"controllers", b"canister_creation_timestamp", b"last_install_timestamp")


@frozen
class ReadStateRequest:
    """A request to read parts of the state tree. Source: abstract-behavior, API requests (`StateRead`)."""

    nonce: Blob
    ingress_expiry: Nanoseconds
    sender: Principal
    paths: List[Path]


@frozen
class ReadStateResponse:
    """What the certificate of the answer holds. Its signature is made outside of the specification."""

    tree: HashTree


@frozen
class ReadStateRefused:
    """The request may not be answered."""

    because: RejectReason


@frozen
class RecentTrees:
    """The last trees: that of a state is made once, though several read it."""

    kept: deque[tuple[State, HashTree]] = field(factory=lambda: deque(maxlen=2))

    def tree(self, state: State) -> HashTree:
        """The tree of the state."""
        for known_state, tree in self.kept:
            if known_state is state:
                return tree
        made = hash_tree(state_tree(state))
        self.kept.append((state, made))
        return made


RECENT: Final = RecentTrees()


@defines(
    "rule.read-state.canister-endpoint",
    "rule.read-state.subnet-endpoint",
    "rule.read-state.response",
    "inv.reads-do-not-change-state",
    "inv.cert.time-always-present",
    "cert.time",
    "cert.use.read-state",
    "unspec.value.hash-leaks",
    "cert.use.confidentiality",
    "unspec.env.read-state-forbidden",
)
def read_state(
    state: State,
    request: ReadStateRequest,
    endpoint: Endpoint,
    effective_id: Principal,
    targets: List[CanisterId] | None = None,
) -> ReadStateResponse | ReadStateRefused:
    """
    The tree that answers a request whose signature was verified; the state does not change.

    `targets` are the canisters for which the sender's delegations admit it, None if they admit all.
    """
    if len(request.nonce) > state.profile.limits.nonce or not are_well_formed(request.paths):
        return ReadStateRefused(RejectReason.INVALID_ARGUMENT)
    if state.system_time > request.ingress_expiry and request.sender != ANONYMOUS:
        return ReadStateRefused(RejectReason.REQUEST_EXPIRED)
    allowed = request.paths.every(
        lambda path: (
            may_read_path(state, request.sender, endpoint, effective_id, path) and is_targeted(state, path, targets)
        )
    )
    if not allowed:
        return ReadStateRefused(RejectReason.NOT_AUTHORIZED)
    own = effective_id if endpoint is Endpoint.SUBNET else subnet_of(state, effective_id)
    revealed = [shown for path in request.paths for shown in revealed_below(state, own, path)]
    return ReadStateResponse(pruned(RECENT.tree(state), [*revealed, (b"time",)]))


@defines("http.read-state.one-request-id", "http.read-state.one-ranges-subnet")
def are_well_formed(paths: List[Path]) -> bool:
    """There are not too many, none is too long, and they ask for one request and one subnet's ranges at most."""
    return (
        len(paths) <= MAXIMUM_PATHS
        and paths.every(lambda path: len(path) <= MAXIMUM_LABELS)
        and len({path[1] for path in paths if len(path) > 1 and path[0] == b"request_status"}) <= 1
        and len({path[1] for path in paths if len(path) > 1 and path[0] == b"canister_ranges"}) <= 1
    )


@defines("http.read-state.prefix")
def revealed_below(state: State, own: SubnetId | None, path: Path) -> list[Path]:
    """What a path that may be read shows: all below it, but nodes and metrics of the subnet that answers only."""
    match path:
        case (b"subnet",) if len(state.subnets) > 0:
            return [shown for known, _ in state.subnets.items() for shown in revealed_of_subnet(state, own, known)]
        case (b"subnet", subnet_id) if SubnetId(subnet_id) in state.subnets:
            return revealed_of_subnet(state, own, SubnetId(subnet_id))
        case (b"subnet", subnet_id, b"node", *_) if SubnetId(subnet_id) in state.subnets and subnet_id != own:
            return []
        case _:
            return [path]


def revealed_of_subnet(state: State, own: SubnetId | None, subnet_id: SubnetId) -> list[Path]:
    """What is shown of a subnet by a path that ends at it."""
    if subnet_id == own:
        return [(b"subnet", subnet_id)]
    # Only the root subnet has ranges in the tree; elsewhere the path shows that there are none.
    return [(b"subnet", subnet_id, leaf) for leaf in (b"public_key", b"type", b"canister_ranges")]


def is_targeted(state: State, path: Path, targets: List[CanisterId] | None) -> bool:
    """The sender's delegations admit the canister of the request whose status is read."""
    if targets is None or len(path) < 2 or path[0] != b"request_status":
        return True
    known = RequestId(path[1]) in state.requests
    return not known or targets.contains(state.requests[RequestId(path[1])].request.canister_id)


@defines(
    "rule.read-state.may-read-canister",
    "rule.read-state.may-read-subnet",
    "http.read-state.forbidden",
    "http.read-state.certified-data-hidden",
)
def may_read_path(state: State, sender: Principal, endpoint: Endpoint, effective_id: Principal, path: Path) -> bool:
    """`may_read_path_for_canister` and `may_read_path_for_subnet`."""
    match path:
        case (b"time",) | (b"api_boundary_nodes",) | (b"api_boundary_nodes", _):
            return True
        case (b"api_boundary_nodes", _, leaf):
            return leaf in BOUNDARY_NODE_LEAVES
        case (b"subnet", *rest):
            return may_read_subnet(state, endpoint, effective_id, tuple(rest))
        case (b"request_status", request_id) | (b"request_status", request_id, _):
            return (len(path) == 2 or path[2] in REQUEST_LEAVES) and may_read_request(
                state, sender, effective_id, RequestId(request_id)
            )
        case (b"canister_ranges", _):
            return endpoint is Endpoint.SUBNET
        case (b"canister", canister_id, *rest) if endpoint is Endpoint.CANISTER:
            return canister_id == effective_id and may_read_canister(
                state, sender, CanisterId(canister_id), tuple(rest)
            )
        case _:
            return False


def may_read_subnet(state: State, endpoint: Endpoint, effective_id: Principal, rest: Path) -> bool:
    """Whether anybody may read this path below `/subnet`."""
    match rest:
        case () | (_,) | (_, b"public_key" | b"type" | b"node") | (_, b"node", _) | (_, b"node", _, b"public_key"):
            return True
        case (subnet_id, b"canister_ranges"):
            return SubnetId(subnet_id) == root_subnet_id(state)
        case (subnet_id, b"metrics"):
            return endpoint is Endpoint.SUBNET and subnet_id == effective_id
        case _:
            return False


def may_read_request(state: State, sender: Principal, effective_id: Principal, request_id: RequestId) -> bool:
    """Only the sender may read how far a request is, at the place where it was submitted."""
    if request_id not in state.requests:
        return True
    known = state.requests[request_id]
    return known.request.sender == sender and known.effective_id == effective_id


def may_read_canister(state: State, sender: Principal, canister_id: CanisterId, rest: Path) -> bool:
    """Whether the sender may read this path below the canister; private sections are for controllers."""
    match rest:
        case (leaf,):
            return leaf in CANISTER_LEAVES
        case (b"metadata", name):
            return may_read_metadata(state, sender, canister_id, name)
        case _:
            return False


def may_read_metadata(state: State, sender: Principal, canister_id: CanisterId, name: Blob) -> bool:
    """The name is UTF-8, and not that of a private section unless the sender is a controller."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    if canister_id not in state.canisters:
        return True
    canister = state.canisters[canister_id]
    if not isinstance(canister.code, Code):
        return True
    private = module_of(state.profile, canister.code).private_custom_sections
    return text not in private or canister.settings.controllers.contains(sender)
