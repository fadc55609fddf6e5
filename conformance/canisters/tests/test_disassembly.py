"""Programs of the scripted canister as text."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.disassemble import MalformedProgram, disassemble, on_one_line
from conformance.canisters.operations import OPERATIONS, Immediate
from conformance.canisters.scripted import (
    add_to_counter,
    call,
    counter,
    is_zero,
    program,
    repeat,
    reply,
    sequence,
    set_heartbeat,
    spin,
    trap,
    unreachable,
    when,
)
from conformance.canisters.tests.hosting import PEER


def test_a_program_is_disassembled_with_its_blocks_and_callbacks():
    code = program(
        call(PEER, "update", cycles=1000, on_reply=program(reply(ic0.msg_arg_data()))),
        repeat(3, sequence(add_to_counter(0, counter(1) + 1))),
        set_heartbeat(program(spin(9))),
        when(ic0.msg_deadline(), unreachable()),
    )
    assert disassemble(code).splitlines() == [
        "call_new(0x00000000000000020101, 'update', on_reply, on_reject, on_cleanup)",
        "    on_reply:",
        "        msg_reply_data_append(msg_arg_data())",
        "        msg_reply()",
        "    on_reject:",
        "        (nothing)",
        "    on_cleanup:",
        "        (nothing)",
        "call_cycles_add128(1000 cycles)",
        "if_else(call_perform())",
        "    then:",
        "        trap('the call was not taken')",
        "repeat(3)",
        "    do:",
        "        counter_add(0, add(counter_get(1), 1))",
        "hook_set(heartbeat, program)",
        "    program:",
        "        spin(9)",
        "if_else(msg_deadline())",
        "    then:",
        "        unreachable()",
    ]


def test_every_operation_can_be_disassembled():
    for operation in OPERATIONS:
        sizes = {Immediate.U8: 1, Immediate.U32: 4, Immediate.U64: 8, Immediate.BLOB: 4, Immediate.BLOCK: 4}
        immediates = bytes(sum(sizes[immediate] for immediate in operation.immediates))
        shown = {"push_bytes": "leaves ''", "push_u32": "leaves 0", "push_u64": "leaves 0"}
        assert shown.get(operation.name, operation.name) in disassemble(bytes([operation.code]) + immediates)


def test_a_program_can_be_shown_on_one_line():
    """Transcripts show it; a long one is cut."""
    code = program(when(is_zero(counter(0)), trap(b"none")), reply(b"done"))
    assert on_one_line(code) == (
        "if_else(is_zero(counter_get(0))); then: trap('none'); msg_reply_data_append('done'); msg_reply()"
    )
    assert on_one_line(code * 50).endswith(f"... ({50 * len(code)} bytes)")


def test_bytes_that_are_no_program_are_refused_by_the_disassembler():
    with pytest.raises(MalformedProgram, match="byte 0 is 255, which is no operation"):
        disassemble(b"\xff")
    with pytest.raises(MalformedProgram, match="the program ends within the operation before byte 1"):
        disassemble(b"\x01ab")
