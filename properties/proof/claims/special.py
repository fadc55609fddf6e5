"""Obligations of single rules: what a failed execution may change, and what an upgrade keeps."""

from collections.abc import Callable
from typing import Any

from properties.proof.meaning.modules import calls_of_modules
from spec.state.canister import Canister
from spec.state.message import FuncMessage
from spec.state.state import State
from spec.transition import BurnReason, Executed, Step

Claim = Callable[[State, dict[str, Any], Step], Any]


def failure_changes_nothing_else(before: State, choices: dict[str, Any], step: Step) -> Any:
    """A failed execution charges its canister and is remembered by its call context; nothing else changes."""
    if not is_failed(step):
        return True
    message = before.messages[choices["message_id"]]
    assert isinstance(message, FuncMessage)
    after = step.state
    return (
        after.messages == before.messages.remove(choices["message_id"])
        and after.requests == before.requests
        and after.canisters.every(
            lambda canister_id, canister: is_same_but_charged(
                before.canisters[canister_id], canister, is_charged=canister_id == message.receiver
            )
        )
        and after.call_contexts.every(
            lambda context_id, context: (
                context.available_cycles == before.call_contexts[context_id].available_cycles
                and context.needs_to_respond == before.call_contexts[context_id].needs_to_respond
                and context.deleted == before.call_contexts[context_id].deleted
            )
        )
    )


def is_failed(step: Step) -> bool:
    """The step shows an execution whose effects were dropped. A cleanup that returned keeps its own."""
    return any(isinstance(shown, Executed) and shown.failure is not None for shown in step.outputs) and all(
        each.reason is not BurnReason.TRANSMISSION for each in step.burned
    )


def is_same_but_charged(before: Canister, after: Canister, is_charged: Any) -> bool:
    """Code, state, certified data, timer, version, status and settings are as before; another canister is as before."""
    return (
        (before.balance == after.balance or bool(is_charged))
        and before.code == after.code
        and before.certified_data == after.certified_data
        and before.global_timer == after.global_timer
        and before.version == after.version
        and before.status == after.status
        and before.settings == after.settings
        and before.reserved_balance == after.reserved_balance
    )


def upgrade_keeps_stable_memory(before: State, choices: dict[str, Any], step: Step) -> Any:
    """The new code starts with the stable memory that the old code left, and with its heap if that was asked for."""
    calls = {call.method: call for call in calls_of_modules()}
    state_of_old = calls["upgraded_state"].arguments["before"]
    if "pre_upgrade" in calls:
        handed_over = calls["pre_upgrade"].result.new_state == state_of_old
    else:
        raw = next(iter(step.state.canisters.entries.layers)).key  # type: ignore[attr-defined]
        handed_over = before.canisters[raw].code.wasm_state == state_of_old  # type: ignore[union-attr]
    start = calls["post_upgrade"].arguments["wasm_state"]
    return handed_over and start.stable_memory == state_of_old.stable_memory


SPECIAL_OBLIGATIONS: dict[str, dict[str, Claim]] = {
    "message_execution": {"a failure changes nothing else": failure_changes_nothing_else},
    "upgrade_code": {"an upgrade keeps stable memory": upgrade_keeps_stable_memory},
}
"""By rule."""
