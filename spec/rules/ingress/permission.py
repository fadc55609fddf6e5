"""Which management calls a user may submit."""

from spec.rules.management.arguments import is_subnet_admin
from spec.rules.management.status import is_admitted
from spec.state.canister import Canister
from spec.state.request import Request
from spec.state.state import State
from spec.transition import opaque
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, Principal, SubnetId

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
def may_submit(state: State, request: Request, effective_id: Principal) -> bool:
    """The user may make this management call as ingress. Source: abstract-behavior, API request submission."""
    if request.method_name == "provisional_create_canister_with_cycles":
        return True
    if request.method_name == "create_canister":
        return administers_subnet(state, hosting_subnet(state, effective_id), request.sender)
    managed = managed_canister(request)
    if managed is None or managed not in state.canisters:
        return False
    return may_manage(state, state.canisters[managed], request)


def hosting_subnet(state: State, effective_id: Principal) -> SubnetId:
    """The subnet of the canister with this id; for the id of no canister, the one on which canisters are created."""
    return state.canisters[effective_id].subnet.subnet_id if effective_id in state.canisters else state.subnet.subnet_id


def administers_subnet(state: State, subnet_id: SubnetId, user: Principal) -> bool:
    """The user is an admin of the subnet (`S.subnet_admins`)."""
    return subnet_id in state.subnet_admins and state.subnet_admins[subnet_id].contains(user)


@defines(
    "rule.submit-call.mgmt-controller-methods",
    "rule.submit-call.mgmt-admin-methods",
    "rule.submit-call.mgmt-canister-status",
)
def may_manage(state: State, canister: Canister, request: Request) -> bool:
    """The user may submit this call about an existing canister."""
    if request.method_name == "provisional_top_up_canister":
        return True
    controls = canister.settings.controllers.contains(request.sender)
    if request.method_name in CONTROLLER_METHODS:
        return controls
    administers = is_subnet_admin(state, canister, request.sender)
    if request.method_name in ADMIN_METHODS:
        return controls or administers
    if request.method_name in SNAPSHOT_READING_METHODS:
        return is_admitted(canister, canister.settings.snapshot_visibility, request.sender)
    if request.method_name == "canister_status":
        return administers or is_admitted(canister, canister.settings.status_visibility, request.sender)
    return False
