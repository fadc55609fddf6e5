"""The proofs find planted mistakes in every rule."""

import re
from collections.abc import Iterable

import pytest

import spec.rules  # noqa: F401
from properties.proof.claims.planted import Mistake, mistakes_in, prove_with
from properties.proof.claims.proof import RuleReport
from spec.transition import RULES

TRIED = 40
"""So many mistakes of a rule are tried until one is found."""

MUST_BE_FOUND = [
    ("deposit_cycles", "deposit_cycles", "`balance` is nothing", "cycles are conserved"),
    ("deposit_cycles", "deposit_cycles", "message_id is not removed", "cycles are conserved"),
    ("delete_canister", "delete_canister", "`burned` is forgotten", "cycles are conserved"),
    (
        "delete_canister",
        "delete_canister",
        "'the canister is stopped' is not required",
        "call_contexts_belong_to_canisters",
    ),
    ("delete_canister", "delete_canister", "`deleted_canisters` is forgotten", "canisters_disappear_by_deletion"),
    ("stop_completion", "stop_completion", "'the canister has no call context' is not required", "stopped_canisters"),
    ("call_context_removal", "call_context_removal", "'no call, response, context or stop call", "refer_to_existing"),
    ("call_context_starvation", "call_context_starvation", "`available_cycles` is forgotten", "cycles are conserved"),
    ("call_context_starvation", "call_context_starvation", "`needs_to_respond` is forgotten", "cycles are conserved"),
    ("uninstall_code", "deleted_context", "`available_cycles` is forgotten", "cycles are conserved"),
    ("uninstall_code", "deleted_context", "`needs_to_respond` is forgotten", "deleted_contexts_owe_no_response"),
    ("message_execution", "with_answered_context", "`available_cycles` is forgotten", "cycles are conserved"),
    ("request_done", "request_done", "'the request was answered' is not required", "requests_move_forward"),
    ("canister_time_progress", "canister_time_progress", "'the time is later", "canister_time_does_not_decrease"),
    ("stop_running_canister", "with_status", "has the wrong sign", "canister_version_does_not_decrease"),
    ("take_canister_snapshot", "require_room", "'there may be one more snapshot' is not required", "snapshots_are_few"),
    ("upload_chunk", "with_chunk", "'the chunk store has room", "chunk_stores_are_bounded"),
    ("upload_chunk", "with_chunk", "'the chunk is not too large' is not required", "chunk_stores_are_bounded"),
]
"""Rule, function, mistake, and the obligation that fails because of it."""

CLASS_NOT_REQUIRED = [
    (
        "stop_completion",
        "require_stopping",
        "the canister is stopping",
        "stop_calls is read of what may be of class Running",
    ),
    ("outside_call_departure", "call_message", "the message is a call", "queue is read of what may be of class Resp"),
    (
        "call_expiry_of_call_context",
        "expiring_origin",
        "a canister made",
        "deadline is read of what may be of class FromUser",
    ),
    ("respond_to_user", "respond_to_user", "a user made", "request_id is read of what may be of class FromCanister"),
    ("respond_to_user", "response_message", "is a response", "response is read of what may be of class CallMessage"),
    (
        "message_execution",
        "func_message",
        "a function about to",
        "receiver is read of what may be of class CallMessage",
    ),
    ("on_low_wasm_memory_context_creation", "code_of", "has code", "raw_module is read of what may be of class Empty"),
    (
        "upgrade_code",
        "upgrade_code",
        "the mode is `upgrade`",
        "skip_pre_upgrade is read of what may be of class InstallMode",
    ),
    ("deposit_cycles", "decoded", "the argument decodes", "canister_id is read of what may be None"),
    ("upload_canister_snapshot_data", "filled_snapshot", "range is inside", "raw_module is read of what may be None"),
    ("load_canister_snapshot", "load_canister_snapshot", "has the snapshot", "None where a number"),
]
"""Rule, function, and the condition of `require_kind` or `require_present` that is dropped; and what is told of it."""


def failures(report: RuleReport) -> list[str]:
    return [each.name for each in report.obligations if each.verdict.value != "proved"]


@pytest.mark.parametrize(("rule", "function", "what", "obligation"), MUST_BE_FOUND)
def test_a_mistake_breaks_the_obligation_that_it_should(rule: str, function: str, what: str, obligation: str) -> None:
    mistakes = [each for each in mistakes_in(RULES[rule]) if each.function == function and what in each.what]
    assert mistakes, f"{rule} has no such mistake any more"
    found = [name for each in mistakes for name in every_failure(rule, each)]
    assert any(obligation in name for name in found), found


@pytest.mark.parametrize(("rule", "function", "what", "told"), CLASS_NOT_REQUIRED)
def test_a_dropped_class_is_told_with_file_and_line(rule: str, function: str, what: str, told: str) -> None:
    (mistake,) = [each for each in mistakes_in(RULES[rule]) if each.function == function and what in each.what]
    (failure,) = failures(prove_with(RULES[rule], mistake))
    assert told in failure
    assert re.match(r"the rule is defined: (spec/rules/|<mistake: )[^>]*>?:\d+: ", failure), failure
    assert "Error" not in failure


def every_failure(rule: str, mistake: Mistake) -> list[str]:
    return failures(prove_with(RULES[rule], mistake))


LIKELY = (
    "is not known yet",
    "is being processed",
    "was not started",
    "message_id is not removed",
    "charged, line",
    "exists' is not required",
    "`code` is forgotten",
)
"""Mistakes that are found in the rules that have them; they are tried first, the first of them before the others."""


def likely_first(mistakes: Iterable[Mistake]) -> list[Mistake]:
    def place(mistake: Mistake) -> int:
        return next((place for place, words in enumerate(LIKELY) if words in str(mistake)), len(LIKELY))

    return sorted(mistakes, key=place)


@pytest.mark.parametrize("name", sorted(RULES))
def test_some_mistake_in_every_rule_is_found(name: str) -> None:
    tried = likely_first(mistakes_in(RULES[name]))[:TRIED]
    assert any(failures(prove_with(RULES[name], mistake)) for mistake in tried)


def test_a_mistake_is_refuted_and_not_refused() -> None:
    mistake = next(each for each in mistakes_in(RULES["deposit_cycles"]) if "`balance` is nothing" in each.what)
    assert not any("can follow" in name for name in failures(prove_with(RULES["deposit_cycles"], mistake)))


def test_a_counterexample_tells_conditions_and_values() -> None:
    mistake = next(each for each in mistakes_in(RULES["deposit_cycles"]) if "`balance` is nothing" in each.what)
    report = prove_with(RULES["deposit_cycles"], mistake)
    failure = next(each for each in report.obligations if each.verdict.value == "failed")
    assert failure.counterexample is not None
    assert "the canister exists" in failure.counterexample.conditions
    assert any("balance" in line and line.endswith("-> 0") for line in failure.counterexample.values)
