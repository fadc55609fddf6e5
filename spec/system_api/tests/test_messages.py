"""Argument, caller and response."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.environment import Caller
from spec.canister.outcome import Returned, Trapped, TrapReason
from spec.values.identifiers import Principal
from spec.values.rejects import Reject, RejectCode, Reply

Run = Callable[..., Any]

COPY_ARGUMENT = """
    (call $msg_arg_data_copy (i32.const 8) (i32.const 1) (i32.const 3))
    (call $reply (i32.const 8) (i32.const 3))
"""


@pytest.mark.checklist(
    "prod.wasmtime_embedder.correctly_count_instructions",
    "api.msg-arg-data-copy",
    "api-general.blob-idiom",
    "seed2.payload",
)
def test_a_part_of_the_argument_is_copied(replied: Run) -> None:
    assert replied(COPY_ARGUMENT, argument=b"abcde") == b"bcd"


def test_copying_charges_a_byte_an_instruction(go: Run) -> None:
    outcome = go("(call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const 1024))", argument=b"\0" * 1024)
    assert outcome.instructions_used == 1533


@pytest.mark.checklist("api-general.blob-idiom", "api.msg-arg-data-copy")
def test_copying_beyond_the_argument_traps(go: Run) -> None:
    outcome = go(COPY_ARGUMENT, argument=b"abc")
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.TRAPPED
    assert outcome.message == ""


@pytest.mark.checklist("api-general.blob-idiom", "module.numbers-unsigned")
@pytest.mark.parametrize(("destination", "traps"), [(65_533, False), (65_534, True), (-1, True)])
def test_copying_beyond_the_heap_traps(go: Run, destination: int, traps: bool) -> None:
    outcome = go(f"(call $msg_arg_data_copy (i32.const {destination}) (i32.const 0) (i32.const 3))", argument=b"abc")
    assert isinstance(outcome, Trapped) == traps


@pytest.mark.checklist("api-general.blob-idiom", "module.numbers-unsigned")
def test_sizes_do_not_wrap_around_in_64_bits(go: Run) -> None:
    outcome = go("(call $msg_arg_data_copy (i64.const 8) (i64.const -1) (i64.const 1))", argument=b"abc", wasm64=True)
    assert isinstance(outcome, Trapped)


def test_a_size_beyond_the_limit_of_instructions_runs_out(go: Run) -> None:
    outcome = go("(call $msg_arg_data_copy (i64.const 0) (i64.const 0) (i64.const -1))", wasm64=True)
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.OUT_OF_INSTRUCTIONS


@pytest.mark.checklist("api-general.blob-idiom")
def test_nothing_is_copied_anywhere_inside_the_heap(go: Run) -> None:
    assert isinstance(go("(call $msg_arg_data_copy (i32.const 65536) (i32.const 0) (i32.const 0))"), Returned)
    assert isinstance(go("(call $msg_arg_data_copy (i32.const 65537) (i32.const 0) (i32.const 0))"), Trapped)


@pytest.mark.checklist(
    "api.msg-caller-size",
    "api.msg-caller-copy",
    "api.msg-caller-info-data-size",
    "api.msg-caller-info-data-copy",
    "api.msg-caller-info-signer-size",
    "api.msg-caller-info-signer-copy",
)
def test_the_caller_and_what_is_known_of_it_are_read(replied: Run) -> None:
    caller = Caller(Principal(b"user"), b"information", b"signer")
    instructions = """
        (call $msg_caller_copy (i32.const 0) (i32.const 0) (call $msg_caller_size))
        (call $msg_caller_info_data_copy (i32.const 4) (i32.const 0) (call $msg_caller_info_data_size))
        (call $msg_caller_info_signer_copy (i32.const 15) (i32.const 0) (call $msg_caller_info_signer_size))
        (call $reply (i32.const 0) (i32.const 21))
    """
    assert replied(instructions, caller=caller) == b"userinformationsigner"


@pytest.mark.checklist(
    "api.msg-caller-info-data-size",
    "api.msg-caller-info-data-copy",
    "api.msg-caller-info-signer-size",
    "api.msg-caller-info-signer-copy",
)
@pytest.mark.parametrize("name", ["msg_caller_info_data", "msg_caller_info_signer"])
def test_of_most_callers_no_more_is_known_than_who_they_are(replied: Run, go: Run, name: str) -> None:
    copy = f"(call ${name}_copy (i32.const 0) (i32.const 0) (i32.const {{}}))"
    assert replied(f"{copy.format(0)} (call $reply_i32 (call ${name}_size))") == bytes(4)
    assert isinstance(go(copy.format(1)), Trapped)
    informed = Caller(Principal(b"user"), b"12", b"34")
    assert isinstance(go(copy.format(2), caller=informed), Returned)
    assert isinstance(go(copy.format(3), caller=informed), Trapped)


@pytest.mark.checklist("api.msg-deadline", "entry.update")
@pytest.mark.parametrize(("deadline", "read"), [(None, 0), (77, 77)])
def test_the_deadline_is_zero_if_there_is_none(replied: Run, deadline: int | None, read: int) -> None:
    assert replied("(call $reply_i64 (call $msg_deadline))", deadline=deadline) == read.to_bytes(8, "little")


@pytest.mark.checklist("api.msg-reply-data-append", "api.msg-reply", "entry.update")
def test_a_reply_is_put_together_of_pieces(go: Run) -> None:
    outcome = go(
        """
        (call $msg_reply_data_append (i32.const 100) (i32.const 2))
        (call $msg_reply_data_append (i32.const 102) (i32.const 3))
        (call $msg_reply)
        """,
        '(data (i32.const 100) "hello")',
    )
    assert outcome.response == Reply(b"hello")


@pytest.mark.checklist("api.msg-reply-data-append", "entry.update")
def test_a_reply_that_is_not_sent_is_lost(go: Run) -> None:
    outcome = go("(call $msg_reply_data_append (i32.const 0) (i32.const 2))")
    assert isinstance(outcome, Returned)
    assert outcome.response is None


@pytest.mark.checklist("api.msg-reply", "api.msg-reject", "api.msg-reply-data-append")
@pytest.mark.parametrize(
    "again",
    [
        "(call $msg_reply)",
        "(call $msg_reject (i32.const 0) (i32.const 0))",
        "(call $msg_reply_data_append (i32.const 0) (i32.const 0))",
    ],
)
def test_a_second_response_traps(go: Run, again: str) -> None:
    assert isinstance(go(f"(call $msg_reply) {again}"), Trapped)
    assert isinstance(go(again, needs_to_respond=False), Trapped)


@pytest.mark.checklist("api.msg-reject", "inv.reject-code-fixed-by-protocol")
def test_a_reject_drops_the_reply_data(go: Run) -> None:
    outcome = go(
        """
        (call $msg_reply_data_append (i32.const 0) (i32.const 2))
        (call $msg_reject (i32.const 100) (i32.const 3))
        """,
        '(data (i32.const 100) "no!")',
    )
    assert outcome.response == Reject(RejectCode.CANISTER_REJECT, "no!")


@pytest.mark.checklist("api.msg-reject", "inv.reject-code-fixed-by-protocol")
def test_a_reject_message_must_be_utf_8(go: Run) -> None:
    assert isinstance(go("(call $msg_reject (i32.const 100) (i32.const 1))", '(data (i32.const 100) "\\ff")'), Trapped)


@pytest.mark.checklist("error.reply-too-large", "api.msg-reply-data-append", "unspec.const.message-size-limits")
def test_a_reply_is_at_most_as_large_as_a_response_may_be(go: Run) -> None:
    grow = "(drop (memory.grow (i32.const 64)))"
    append = "(call $msg_reply_data_append (i32.const 0) (i32.const {}))"
    assert isinstance(go(grow + append.format(2_097_152)), Returned)
    assert isinstance(go(grow + append.format(2_097_153)), Trapped)
    assert isinstance(go(grow + append.format(2_097_152) + append.format(1)), Trapped)


@pytest.mark.checklist("error.reply-too-large")
def test_a_reply_of_one_node_may_be_larger(canister: Run) -> None:
    grow = "(drop (memory.grow (i32.const 64)))"
    body = f"""(func (export "canister_query go") {grow}
        (call $msg_reply_data_append (i32.const 0) (i32.const 3145728)) (call $msg_reply))"""
    assert isinstance(canister(body).query(replicated=False), Returned)
    assert isinstance(canister(body).query(replicated=True), Trapped)


@pytest.mark.checklist("error.reject-too-large", "api.msg-reject")
def test_a_reject_message_is_at_most_as_large_as_a_response_may_be(go: Run) -> None:
    grow = "(drop (memory.grow (i32.const 64)))"
    assert isinstance(go(f"{grow} (call $msg_reject (i32.const 0) (i32.const 2097152))"), Returned)
    assert isinstance(go(f"{grow} (call $msg_reject (i32.const 0) (i32.const 2097153))"), Trapped)
