"""The canisters of an instance whose committed states are kept: who changes one changes a copy."""

from collections.abc import Mapping
from typing import Any

from reference_impl.subnet.canister_record import CanisterRecord
from spec.values.identifiers import CanisterId


class WatchedCanisters(dict[CanisterId, CanisterRecord]):
    """
    Canisters by their ids. Whoever gets one by its id may change it.

    The first time that one is got after a commit a copy takes its place, so that the record that was there before stays
    as it is. Who goes through all of them gets records that he must not change.
    """

    __slots__ = ("touched",)

    def __init__(self, canisters: Mapping[CanisterId, CanisterRecord]) -> None:
        super().__init__(canisters)
        self.touched: dict[CanisterId, None] = {}
        """Those that may be others than at the last commit, or are gone."""

    def __getitem__(self, canister_id: CanisterId) -> CanisterRecord:
        record = super().__getitem__(canister_id)
        if canister_id in self.touched:
            return record
        self[canister_id] = copied = record.copied()
        return copied

    def get(self, canister_id: CanisterId, default: Any = None) -> Any:
        """The canister with this id, if it is there."""
        if canister_id not in self:
            return default
        return self[canister_id]

    def __setitem__(self, canister_id: CanisterId, record: CanisterRecord) -> None:
        super().__setitem__(canister_id, record)
        self.touched[canister_id] = None

    def __delitem__(self, canister_id: CanisterId) -> None:
        super().__delitem__(canister_id)
        self.touched[canister_id] = None

    def untouched(self, canister_id: CanisterId) -> CanisterRecord | None:
        """The canister with this id as it is, for one who does not change it."""
        return super().get(canister_id)
