"""Which management calls a user may submit."""

from enum import Enum

from spec.rules.management.arguments import is_subnet_admin
from spec.rules.management.status import is_admitted
from spec.state.canister import Canister
from spec.state.request import Request
from spec.state.state import State
from spec.transition import opaque, require, require_present
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, MethodName, Principal, SubnetId
from spec.values.rejects import RejectCode, RejectReason

CONTROLLER_METHODS = (
    "install_code",
    "install_chunked_code",
    "update_settings",
    "upload_chunk",
    "stored_chunks",
    "clear_chunk_store",
    "take_canister_snapshot",
    "load_canister_snapshot",
    "delete_canister_snapshot",
    "upload_canister_snapshot_metadata",
    "upload_canister_snapshot_data",
)
"""Source: checklist, submit-call.mgmt-controller-methods. Checklist: `rule.submit-call.mgmt-controller-methods`."""
ADMIN_METHODS = ("start_canister", "stop_canister", "uninstall_code", "delete_canister", "canister_metrics")
"""Source: checklist, submit-call.mgmt-admin-methods. Checklist: `rule.submit-call.mgmt-admin-methods`."""
SNAPSHOT_READING_METHODS = (
    "list_canister_snapshots",
    "read_canister_snapshot_metadata",
    "read_canister_snapshot_data",
)
"""Source: management-canister."""
CREATION_METHODS = ("create_canister", "provisional_create_canister_with_cycles")
"""The calls that have an effective subnet id. Source: abstract-behavior, effective subnet ids."""


@opaque
def managed_canister(request: Request) -> CanisterId | None:
    """The canister that a management call is about, if its argument names one."""
    arguments = management.decode_arguments(request.method_name, request.argument)
    if isinstance(arguments, management.InstallChunkedCodeArguments):
        return arguments.target_canister
    return getattr(arguments, "canister_id", None)


@defines("rule.submit-call.mgmt-create-canister", "rule.submit-call.mgmt-provisional-create")
def require_permission(state: State, request: Request, effective_id: Principal) -> None:
    """States that the user may make this management call. Source: abstract-behavior, API request submission."""
    if request.method_name == "create_canister":
        require(
            administers_subnet(state, hosting_subnet(state, effective_id), request.sender),
            "the user is an admin of the subnet that the effective canister id belongs to",
            RejectReason.NOT_AUTHORIZED,
            RejectCode.CANISTER_REJECT,
        )
    elif request.method_name != "provisional_create_canister_with_cycles":
        require_permission_about_canister(state, request)


def hosting_subnet(state: State, effective_id: Principal) -> SubnetId:
    """The subnet of the canister with this id; for the id of no canister, the one on which canisters are created."""
    return state.canisters[effective_id].subnet.subnet_id if effective_id in state.canisters else state.subnet.subnet_id


def administers_subnet(state: State, subnet_id: SubnetId, user: Principal) -> bool:
    """The user is an admin of the subnet (`S.subnet_admins`)."""
    return subnet_id in state.subnet_admins and state.subnet_admins[subnet_id].contains(user)


class Callers(Enum):
    """Which users may make a management call about a canister."""

    CONTROLLERS = "controllers of the canister"
    CONTROLLERS_AND_ADMINS = "controllers of the canister and admins of its subnet"
    VIEWERS_OF_SNAPSHOTS = "whom the snapshot visibility admits"
    VIEWERS_OF_STATUS = "admins of the subnet, and whom the status visibility admits"
    EVERYBODY = "everybody"
    NOBODY = "nobody"


@defines(
    "rule.submit-call.mgmt-controller-methods",
    "rule.submit-call.mgmt-admin-methods",
    "rule.submit-call.mgmt-canister-status",
)
def callers_of(method_name: MethodName) -> Callers:
    """Which users may call this method of the management canister."""
    if method_name in CONTROLLER_METHODS:
        return Callers.CONTROLLERS
    if method_name in ADMIN_METHODS:
        return Callers.CONTROLLERS_AND_ADMINS
    if method_name in SNAPSHOT_READING_METHODS:
        return Callers.VIEWERS_OF_SNAPSHOTS
    if method_name == "canister_status":
        return Callers.VIEWERS_OF_STATUS
    return Callers.EVERYBODY if method_name == "provisional_top_up_canister" else Callers.NOBODY


@opaque
def code_of_call_about_nothing(method_name: MethodName) -> RejectCode:
    """
    The code with which production refuses a call that is for canisters or queries only, does not decode, or has no
    method.
    """
    is_known = method_name in management.MANAGEMENT_METHODS or method_name == "fetch_canister_logs"
    return RejectCode.CANISTER_REJECT if is_known else RejectCode.CANISTER_ERROR


def require_permission_about_canister(state: State, request: Request) -> None:
    """States that the call is about an existing canister, and that the user may make it."""
    managed = require_present(
        managed_canister(request),
        "the call is about a canister",
        RejectReason.NOT_AUTHORIZED,
        code_of_call_about_nothing(request.method_name),
    )
    require(
        managed in state.canisters, "the canister exists", RejectReason.NOT_AUTHORIZED, RejectCode.DESTINATION_INVALID
    )
    canister, user = state.canisters[managed], request.sender
    match callers_of(request.method_name):
        case Callers.CONTROLLERS:
            require(
                canister.settings.controllers.contains(user), "the user is a controller", RejectReason.NOT_AUTHORIZED
            )
        case Callers.CONTROLLERS_AND_ADMINS:
            require(
                is_controller_or_admin(state, canister, user),
                "the user is a controller or an admin of the subnet",
                RejectReason.NOT_AUTHORIZED,
            )
        case Callers.VIEWERS_OF_SNAPSHOTS:
            require(
                is_admitted(canister, canister.settings.snapshot_visibility, user),
                "the snapshot visibility admits the user",
                RejectReason.NOT_AUTHORIZED,
            )
        case Callers.VIEWERS_OF_STATUS:
            require(
                may_see_status(state, canister, user),
                "the user is an admin of the subnet, or the status visibility admits the user",
                RejectReason.NOT_AUTHORIZED,
            )
        case Callers.NOBODY:
            require(
                False, "the method is one that users may call", RejectReason.NOT_AUTHORIZED, RejectCode.CANISTER_REJECT
            )


def is_controller_or_admin(state: State, canister: Canister, user: Principal) -> bool:
    """The user is a controller of the canister or an admin of its subnet."""
    return canister.settings.controllers.contains(user) or is_subnet_admin(state, canister, user)


def may_see_status(state: State, canister: Canister, user: Principal) -> bool:
    """The user is an admin of the subnet of the canister, or its status visibility admits the user."""
    return is_subnet_admin(state, canister, user) or is_admitted(canister, canister.settings.status_visibility, user)
