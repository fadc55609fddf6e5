"""The history of a canister."""

from attrs import field, frozen

from spec.values.changes import Change as Change
from spec.values.changes import ChangeDetails as ChangeDetails
from spec.values.changes import ChangeFromCanister as ChangeFromCanister
from spec.values.changes import ChangeFromUser as ChangeFromUser
from spec.values.changes import ChangeOrigin as ChangeOrigin
from spec.values.changes import CodeDeployment as CodeDeployment
from spec.values.changes import CodeDeploymentMode as CodeDeploymentMode
from spec.values.changes import CodeUninstall as CodeUninstall
from spec.values.changes import ControllersChange as ControllersChange
from spec.values.changes import Creation as Creation
from spec.values.changes import LoadSnapshot as LoadSnapshot
from spec.values.changes import RenameCanister as RenameCanister
from spec.values.changes import RenameTarget as RenameTarget
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.quantities import Count


@frozen
class CanisterHistory:
    """The latest changes, and how many there ever were."""

    total_changes: Count = 0
    recent_changes: List[Change] = field(factory=List)


@defines("inv.version.history-is-version-after")
def recorded(history: CanisterHistory, change: Change) -> CanisterHistory:
    """The history with one more change."""
    return CanisterHistory(history.total_changes + 1, history.recent_changes.append(change))
