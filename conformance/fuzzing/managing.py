"""Random calls of the management canister, as expressions: mostly of what is common, and of what was seen least."""

import random
from collections.abc import Callable, Mapping
from typing import Final

from conformance.fuzzing.expressions import Value
from conformance.fuzzing.fixed_arguments import FIXED
from spec.transition import RULES
from spec.values.identifiers import Text
from spec.values.quantities import Count

Options = dict[Text, Value]
"""What is given beside the canister that the call is about."""

FOR_CANISTERS: Final = frozenset(
    {"create_canister", "raw_rand", "canister_info", "deposit_cycles", "canister_metadata", "node_metrics_history"}
    | FIXED.keys()
)
"""What users who call it are refused."""

STEERED: Final = 0.5
"""How often a method is drawn the more likely the less its rule was taken; else by how common it is."""

COMMON: Final[Mapping[Text, Count]] = {
    "update_settings": 8,
    "stop_canister": 2,
    "start_canister": 3,
    "canister_status": 2,
    "create_canister": 2,
    "provisional_create_canister_with_cycles": 2,
    "provisional_top_up_canister": 2,
    "take_canister_snapshot": 2,
    "load_canister_snapshot": 2,
    "upload_chunk": 2,
    "canister_info": 2,
}
"""How common methods are; all others have 1."""


class Managing:
    """Draws calls of the management canister."""

    def __init__(self, chance: random.Random, times: Mapping[Text, Count], *, reaches_beyond: bool = True) -> None:
        """`reaches_beyond`: methods are drawn, too, whose answers come from outside the subnet."""
        self._chance = chance
        self._times = times
        self._options: dict[Text, Callable[[], Options]] = {
            "update_settings": self._settings,
            "create_canister": lambda: self._settings() if chance.random() < 0.5 else {},
            "provisional_create_canister_with_cycles": lambda: {"amount": chance.choice((None, 0, 10**12, 10**14))},
            "provisional_top_up_canister": lambda: {"amount": chance.choice((0, 1, 10**12))},
            "take_canister_snapshot": self._taking,
            "load_canister_snapshot": lambda: {} if chance.random() < 0.7 else {"source": chance.choice((0, 1, 2))},
            "read_canister_snapshot_data": self._part,
            "upload_canister_snapshot_data": self._part,
            "upload_canister_snapshot_metadata": lambda: {"size": chance.choice((0, 8, 65_536))},
            "upload_chunk": lambda: {"chunk": chance.choice((b"", b"a chunk", b"another"))},
            "install_chunked_code": lambda: {"mode": chance.choice(("install", "reinstall", "upgrade"))},
            "canister_info": lambda: {"changes": chance.choice((None, 0, 3, 20))},
            "canister_metadata": lambda: {"section": chance.choice(("candid:service", "none"))},
            **dict.fromkeys(FIXED if reaches_beyond else (), dict),
            **dict.fromkeys(PLAIN, dict),
        }

    def drawn(self) -> tuple[Text, Options]:
        """A method, and what it is given beside a canister."""
        chance = self._chance
        if chance.random() < 0.05:
            raw = chance.choice((b"", b"DIDL\x00\x00"))
            return chance.choice(("install_code", "canister_status", "update_settings")), {"raw": raw}
        is_steered = chance.random() < STEERED
        names = [name for name in self._options if name in RULES or not is_steered]
        weights = [1 / (1 + self._times.get(name, 0)) if is_steered else COMMON.get(name, 1) for name in names]
        (name,) = chance.choices(names, weights)
        return name, self._options[name]()

    def _taking(self) -> Options:
        chance = self._chance
        return {"replaces": chance.choice((True, False)), "uninstalls": chance.choice((None, None, True))}

    def _part(self) -> Options:
        chance = self._chance
        return {"kind": chance.choice(("module", "heap", "stable", "chunk")), "size": chance.choice((0, 8, 65_536))}

    def _settings(self) -> Options:
        """One or two settings, some beyond the limits."""
        pick = self._chance.choice
        choices: dict[Text, tuple[Value, ...]] = {
            "controllers": (("alice",), ("alice", "bob"), ("alice", 0, 1), ("bob",), ()),
            "compute_allocation": (0, 1, 100, 101),
            "memory_allocation": (0, 2**20, 2**30, 2**50),
            "freezing_threshold": (0, 2_592_000, 2**40, 2**64),
            "reserved_cycles_limit": (0, 10**9, 2**127),
            "minimum_incoming_canister_call_cycles": (0, 10**9),
            "log_visibility": ("controllers", "public", "bob"),
            "snapshot_visibility": ("controllers", "public", "bob"),
            "status_visibility": ("controllers", "public", "bob"),
            "wasm_memory_limit": (0, 1, 2**20, 2**48),
            "wasm_memory_threshold": (0, 2**16, 2**20, 2**40),
        }
        names = self._chance.sample(list(choices), pick((1, 1, 2)))
        return {name: pick(choices[name]) for name in names}


PLAIN: Final = (
    "canister_status",
    "start_canister",
    "stop_canister",
    "uninstall_code",
    "delete_canister",
    "deposit_cycles",
    "raw_rand",
    "list_canister_snapshots",
    "delete_canister_snapshot",
    "read_canister_snapshot_metadata",
    "stored_chunks",
    "clear_chunk_store",
    "canister_metrics",
    "node_metrics_history",
    "subnet_info",
    "no_such_method",
)
"""What is given nothing but a canister, or not even that."""
