"""Changes of a canister: what was changed, when and by whom. Both the state and `canister_info` tell of them."""

from enum import Enum

from attrs import frozen

from spec.values.canister_terms import SnapshotSource
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal, SnapshotId
from spec.values.quantities import CanisterVersion, Count, Nanoseconds


@frozen
class ChangeFromUser:
    """A user asked for the change."""

    user_id: Principal


@frozen
class ChangeFromCanister:
    """A canister asked for the change."""

    canister_id: CanisterId
    canister_version: CanisterVersion | None
    """The `sender_canister_version` that it gave."""


ChangeOrigin = ChangeFromUser | ChangeFromCanister


class CodeDeploymentMode(Enum):
    """How code was installed."""

    INSTALL = "install"
    REINSTALL = "reinstall"
    UPGRADE = "upgrade"


@frozen
class Creation:
    """The canister was created."""

    controllers: List[Principal]
    environment_variables_hash: Blob | None


@frozen
class CodeUninstall:
    """The code was uninstalled."""


@frozen
class CodeDeployment:
    """Code was installed."""

    mode: CodeDeploymentMode
    module_hash: Blob
    """SHA-256 of the module as sent."""


@frozen
class ControllersChange:
    """The controllers were set."""

    controllers: List[Principal]


@frozen
class LoadSnapshot:
    """A snapshot was loaded."""

    from_canister_id: CanisterId | None
    """The canister that has the snapshot, if it is another one."""
    snapshot_id: SnapshotId
    canister_version: CanisterVersion
    """That of the snapshot."""
    taken_at: Nanoseconds
    source: SnapshotSource


@frozen
class RenameTarget:
    """The canister that a renamed one takes the place of, as it was before."""

    canister_id: CanisterId
    version: CanisterVersion
    total_changes: Count


@frozen
class RenameCanister:
    """The canister got the id of another one."""

    canister_id: CanisterId
    """Its id before."""
    total_changes: Count
    """How many changes it had before."""
    rename_to: RenameTarget
    requested_by: Principal


ChangeDetails = Creation | CodeUninstall | CodeDeployment | LoadSnapshot | ControllersChange | RenameCanister


@frozen
class Change:
    """One entry of a canister's history."""

    timestamp: Nanoseconds
    canister_version: CanisterVersion
    """The version right after the change."""
    origin: ChangeOrigin
    details: ChangeDetails
