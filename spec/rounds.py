"""
A deterministic policy: which enabled label comes next.

One policy among the many that the specification allows. It finishes what was begun before it begins anything new, so
that a request is answered in as few steps as possible.
"""

from collections.abc import Iterator
from typing import Final

from spec.machine import candidates, step
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES, Output, Step

ORDER: Final[tuple[str, ...]] = (
    "message_execution",
    "callback_invocation",
    "callback_of_deleted_context",
    "respond_to_user",
    "call_context_starvation",
    "call_context_removal",
    "stop_completion",
    "create_canister",
    "provisional_create_canister_with_cycles",
    "provisional_top_up_canister",
    "update_settings",
    "canister_status",
    "install_code",
    "upgrade_code",
    "uninstall_code",
    "delete_canister",
    "start_canister",
    "start_stopping_canister",
    "stop_running_canister",
    "stop_stopping_canister",
    "stop_stopped_canister",
    "deposit_cycles",
    "raw_rand",
    "take_canister_snapshot",
    "take_canister_snapshot_and_uninstall",
    "load_canister_snapshot",
    "list_canister_snapshots",
    "delete_canister_snapshot",
    "read_canister_snapshot_metadata",
    "read_canister_snapshot_data",
    "upload_canister_snapshot_metadata",
    "upload_canister_snapshot_data",
    "upload_chunk",
    "clear_chunk_store",
    "stored_chunks",
    "install_chunked_code",
    "canister_info",
    "canister_metadata",
    "canister_metrics",
    "node_metrics_history",
    "subnet_info",
    "ecdsa_public_key",
    "sign_with_ecdsa",
    "schnorr_public_key",
    "sign_with_schnorr",
    "vetkd_public_key",
    "vetkd_derive_key",
    "http_request",
    "bitcoin_get_utxos",
    "bitcoin_get_balance",
    "bitcoin_send_transaction",
    "bitcoin_get_current_fee_percentiles",
    "bitcoin_get_block_headers",
    "management_call_rejection",
    "reject_call_to_missing_canister",
    "reject_call_to_empty_canister",
    "reject_call_to_stopped_canister",
    "reject_call_to_frozen_canister",
    "reject_call_with_insufficient_cycles",
    "reject_call_to_canister_out_of_cycles",
    "on_low_wasm_memory_context_creation",
    "call_context_creation",
    "initiate_call",
    "global_timer_context_creation",
)
"""Rules in the order in which the policy tries them. Heartbeats and spontaneous rules are left to the schedule."""


def next_label(state: State) -> tuple[Label, Step] | None:
    """The label that the policy takes, and the step; None if nothing is left to do."""
    for name in ORDER:
        for label in candidates(state, RULES[name]):
            result = step(state, label)
            if isinstance(result, Step):
                return label, result
    return None


def steps(state: State, limit: int = 100_000) -> Iterator[tuple[Label, Step]]:
    """The steps of the policy until nothing is left to do, or the limit is reached."""
    for _ in range(limit):
        taken = next_label(state)
        if taken is None:
            return
        yield taken
        state = taken[1].state


def settled(state: State, limit: int = 100_000) -> tuple[State, tuple[Output, ...], list[Label]]:
    """The state in which nothing is left to do, what was shown on the way, and the schedule that led there."""
    outputs: tuple[Output, ...] = ()
    labels: list[Label] = []
    for label, fired in steps(state, limit):
        state, outputs = fired.state, outputs + fired.outputs
        labels.append(label)
    return state, outputs, labels
