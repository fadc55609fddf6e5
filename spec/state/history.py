"""The history of a canister: what was changed, when and by whom."""

from enum import Enum

from attrs import field, frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal
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


ChangeDetails = Creation | CodeUninstall | CodeDeployment | ControllersChange


@frozen
class Change:
    """One entry of a canister's history."""

    timestamp: Nanoseconds
    canister_version: CanisterVersion
    """The version right after the change."""
    origin: ChangeOrigin
    details: ChangeDetails


@frozen
class CanisterHistory:
    """The latest changes, and how many there ever were."""

    total_changes: Count = 0
    recent_changes: List[Change] = field(factory=List)


def recorded(history: CanisterHistory, change: Change) -> CanisterHistory:
    """The history with one more change."""
    return CanisterHistory(history.total_changes + 1, history.recent_changes.append(change))
