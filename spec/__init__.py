"""
The specification: a pure state-transition system of the Internet Computer's execution layer.

What is listed here is all that experiments and invariants need; `docs/reference/use-from-python.md` shows it at work.
What it is made of may move.
"""

from typing import TYPE_CHECKING, Final

from spec.public_names import public_names

if TYPE_CHECKING:
    from spec.invariants import INVARIANTS, STEP_INVARIANTS, Invariant, StepInvariant, invariant, step_invariant
    from spec.machine import (
        OUTSIDE,
        RULES,
        SPONTANEOUS,
        Run,
        candidates,
        canonical_label,
        enabled,
        initial_state,
        run,
        step,
        submission_label,
    )
    from spec.profile import Profile, ProfileError, load_profile
    from spec.settling import next_label, settled
    from spec.state.canister import Canister, Subnet
    from spec.state.label import Label
    from spec.state.request import Done, Endpoint, Processing, Received, Rejected, Replied, Request, SignedRequest
    from spec.state.state import State, total_cycles
    from spec.transition import Burned, Executed, Minted, NotEnabled, RequestStatusChanged, Rule, Step, Unspecified
    from spec.values.containers import List, Map, Queue
    from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal, self_authenticating_id
    from spec.values.rejects import Reject, RejectCode, RejectReason, Reply

__all__ = [
    "ANONYMOUS",
    "Burned",
    "Canister",
    "Done",
    "Endpoint",
    "Executed",
    "INVARIANTS",
    "Invariant",
    "Label",
    "List",
    "MANAGEMENT_CANISTER",
    "Map",
    "Minted",
    "NotEnabled",
    "OUTSIDE",
    "Principal",
    "Processing",
    "Profile",
    "ProfileError",
    "Queue",
    "RULES",
    "Received",
    "Reject",
    "RejectCode",
    "RejectReason",
    "Rejected",
    "Replied",
    "Reply",
    "Request",
    "RequestStatusChanged",
    "Rule",
    "Run",
    "SPONTANEOUS",
    "STEP_INVARIANTS",
    "SignedRequest",
    "State",
    "Step",
    "StepInvariant",
    "Subnet",
    "Unspecified",
    "candidates",
    "canonical_label",
    "enabled",
    "initial_state",
    "invariant",
    "load_profile",
    "next_label",
    "run",
    "self_authenticating_id",
    "settled",
    "step",
    "step_invariant",
    "submission_label",
    "total_cycles",
]

_HOMES: Final = {
    "spec.invariants": (
        "INVARIANTS",
        "Invariant",
        "STEP_INVARIANTS",
        "StepInvariant",
        "invariant",
        "step_invariant",
    ),
    "spec.machine": (
        "OUTSIDE",
        "RULES",
        "Run",
        "SPONTANEOUS",
        "candidates",
        "canonical_label",
        "enabled",
        "initial_state",
        "run",
        "step",
        "submission_label",
    ),
    "spec.profile": (
        "Profile",
        "ProfileError",
        "load_profile",
    ),
    "spec.settling": (
        "next_label",
        "settled",
    ),
    "spec.state.canister": (
        "Canister",
        "Subnet",
    ),
    "spec.state.label": ("Label",),
    "spec.state.request": (
        "Done",
        "Endpoint",
        "Processing",
        "Received",
        "Rejected",
        "Replied",
        "Request",
        "SignedRequest",
    ),
    "spec.state.state": (
        "State",
        "total_cycles",
    ),
    "spec.transition": (
        "Burned",
        "Executed",
        "Minted",
        "NotEnabled",
        "RequestStatusChanged",
        "Rule",
        "Step",
        "Unspecified",
    ),
    "spec.values.containers": (
        "List",
        "Map",
        "Queue",
    ),
    "spec.values.identifiers": (
        "ANONYMOUS",
        "MANAGEMENT_CANISTER",
        "Principal",
        "self_authenticating_id",
    ),
    "spec.values.rejects": (
        "Reject",
        "RejectCode",
        "RejectReason",
        "Reply",
    ),
}
"""Where each name stands. It is imported when it is asked for."""

__getattr__, __dir__ = public_names(__name__, _HOMES)
