"""
Versions of the interface specification: what came with which, as far as its changelog tells.

Source: changelog of the interface specification, 0.60.0 to 0.66.0. What is not listed here was there before. An
implementation that follows an earlier version is judged by what held then; what came later does not apply to it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import evolve

from conformance.protocol.interface import INTERFACE_SPECIFICATION, Description
from spec.values.canister_terms import MAXIMUM_MEMORY_SETTING
from spec.values.identifiers import Blob, MethodName, Text

Version = tuple[int, int, int]

KNOWN: Final = ("0.60.0", "0.61.0", "0.62.0", "0.63.0", "0.64.0", "0.65.0", INTERFACE_SPECIFICATION)
"""The versions that can be asked for, the first of which has all that is not listed below."""

METHODS: Final[Mapping[MethodName, Text]] = {"canister_metrics": "0.61.0"}
"""Methods of the management canister."""

SETTINGS: Final[Mapping[Text, Text]] = {
    "minimum_incoming_canister_call_cycles": "0.64.0",
    "status_visibility": "0.65.0",
}
"""Fields of settings, as they are given and as `canister_status` tells them."""

BOUNDS: Final[Mapping[Text, tuple[Text, int]]] = {
    "wasm_memory_threshold": ("0.64.0", MAXIMUM_MEMORY_SETTING),
}
"""Settings that were bounded with a version, and the greatest value from then on; before, greater ones were taken."""

PATHS: Final[Mapping[Blob, Text]] = {
    b"canister_creation_timestamp": "0.66.0",
    b"last_install_timestamp": "0.66.0",
}
"""Leaves of the state tree below `/canister/ID`."""

ROWS: Final[Mapping[Text, Text]] = {
    "rule.submit-call.subnet-endpoint": "0.60.0",
    "rule.query.list-canisters.subnet-endpoint": "0.60.0",
    "mgmt.canister-metrics": "0.61.0",
    "rule.mgmt.canister-metrics.query": "0.61.0",
    "rule.mgmt.canister-metrics.update": "0.61.0",
    "http.delegation.permissions": "0.64.0",
    "rule.reject-call.insufficient-cycles": "0.64.0",
    "setting.minimum-incoming-canister-call-cycles": "0.64.0",
    "setting.status-visibility": "0.65.0",
    "http.path.canister.creation-timestamp": "0.66.0",
    "http.path.canister.last-install-timestamp": "0.66.0",
    "rule.query.composite-management-calls": "0.66.0",
    "unspec.value.composite-management-rejects": "0.66.0",
}
"""Rows of the checklist that say nothing but what came with a version: a scenario that shows one needs it."""


def parsed(version: Text) -> Version | None:
    """The three numbers of a version; None if it has none."""
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        return None
    first, second, third = map(int, parts)
    return first, second, third


def has(version: Text, since: Text) -> bool:
    """A version has what came with another one. One that cannot be read, or is newer than this judge, has all."""
    own, needed = parsed(version), parsed(since)
    return own is None or needed is None or own >= needed


def judged_by(version: Text) -> Text:
    """By which version is judged who follows this one: the last that is known and not later, or else the first."""
    return next((each for each in reversed(KNOWN) if has(version, each)), KNOWN[0])


def since_rows(rows: Iterable[Text]) -> Text:
    """The first version that has all of these rows."""
    return max((ROWS.get(row, KNOWN[0]) for row in rows), key=lambda each: parsed(each) or (0, 0, 0), default=KNOWN[0])


def following(description: Description, version: Text | None) -> Description:
    """
    An implementation that follows a version, or the one that it declares, as it is judged.

    Methods that came later are none that it has.
    """
    followed = judged_by(description.interface_specification if version is None else version)
    later = {name for name, since in METHODS.items() if not has(followed, since)}
    return evolve(description, interface_specification=followed, missing=description.missing | later)
