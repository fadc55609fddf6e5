"""The scripted canister: its programs, what lasts, and its entry points; on a small host of the System API."""

import re
from pathlib import Path

import pytest
import wasmtime

from conformance.canisters import build, ic0
from conformance.canisters.expressions import bytes_, integer, integer_from
from conformance.canisters.operations import OPERATIONS
from conformance.canisters.scripted import (
    NOTHING,
    Hook,
    add_to_counter,
    amount_of_bytes,
    amount_of_integer,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    concat,
    counter,
    equal,
    equal_bytes,
    filled,
    global_value,
    ignore,
    is_zero,
    length,
    less,
    memory_grow,
    memory_read,
    memory_write,
    part,
    program,
    read_every,
    recurse_forever,
    reject,
    repeat,
    reply,
    run,
    scripted_module,
    set_counter,
    set_global,
    set_heartbeat,
    set_hook,
    set_inspect_message,
    set_pre_upgrade,
    set_slot,
    set_stored_method,
    slot,
    spin,
    stable_append,
    stable_content,
    trap,
    u32_of_bytes,
    u64_of_bytes,
    unreachable,
    when,
    write_every,
)
from conformance.canisters.tests.hosting import (
    MODULES,
    Host,
    fuel_of,
    value_of,
    value_of_pages,
)

# The module


def test_the_checked_in_modules_are_what_the_source_gives():
    for name in build.VARIANTS:
        assert build.build(name) == scripted_module(name), f"{name}.wasm is stale: run conformance.canisters.build"


def test_the_table_of_the_module_lists_the_operations_in_the_order_of_their_bytes():
    source = (Path(build.__file__).parent / "scripted.wat").read_text()
    listed = re.search(r"\(elem \(i32.const 0\) func(.*?)\)", source, re.DOTALL)
    assert listed is not None
    assert listed[1].split() == [f"$op_{operation.name}" for operation in OPERATIONS]


def test_only_the_modules_for_tasks_export_heartbeat_and_low_memory_hook():
    exports = {name: {export.name for export in module.exports} for name, module in MODULES.items()}
    tasks = {"canister_heartbeat", "canister_on_low_wasm_memory"}
    assert exports["scripted_tasks"] - exports["scripted"] == tasks
    assert exports["scripted_low_memory"] - exports["scripted"] == {"canister_on_low_wasm_memory"}
    assert exports["scripted_keep"] == exports["scripted"]


# Answers, traps


def test_an_empty_program_returns_without_response():
    host = Host()
    assert (host.update(), host.log) == (None, [])


def test_a_program_replies_with_a_constant():
    assert Host().update(reply(b"hi")) == b"hi"


def test_the_argument_is_the_program_itself():
    echo = program(reply(ic0.msg_arg_data()))
    assert Host().execute("canister_query query", echo) == echo
    assert Host().execute("canister_composite_query composite", echo) == echo
    assert Host().update(reply(ic0.msg_arg_data_copy(0, 1))) == b"\x01"


def test_rejects_and_traps_bear_their_texts():
    host = Host()
    host.update(reject(b"no"))
    assert host.log == [("msg_reject", b"no")]
    with pytest.raises(wasmtime.Trap, match="I trap"):
        host.update(trap(b"I trap"))


def test_unreachable_and_endless_recursion_trap():
    for action in (unreachable(), recurse_forever()):
        with pytest.raises(wasmtime.Trap):
            Host().update(action)


def test_misused_stacks_and_byte_strings_trap_with_a_text():
    with pytest.raises(wasmtime.Trap, match="the stack is empty"):
        Host().execute("canister_update update", ic0.msg_reject(b"").code[-1:])
    with pytest.raises(wasmtime.Trap, match="the stack is full"):
        Host().execute("canister_update update", integer(1).code * 1281)
    with pytest.raises(wasmtime.Trap, match="too few bytes"):
        Host().update(ignore(u32_of_bytes(b"abc")))
    with pytest.raises(wasmtime.Trap, match="the slice is too long"):
        Host().update(ignore(part(b"abc", 2, 2)))
    with pytest.raises(wasmtime.Trap, match="an amount of cycles has 16 bytes"):
        Host().update(ic0.call_cycles_add128(amount_of_bytes(b"abc")))
    with pytest.raises(wasmtime.Trap, match="stable memory is full"):
        Host().update(stable_append(filled(1, 11 << 16)))


# Values


def test_integers_compute_modulo_two_to_the_64():
    seven = u64_of_bytes(bytes_of_u64(7))
    assert value_of(seven + 2) == 9
    assert value_of(seven - 8) == 2**64 - 1
    assert value_of(10 - seven) == 3
    assert value_of(3 * seven) == 21
    assert value_of(seven // 2) == 3
    assert value_of(seven % 4) == 3
    assert value_of(seven & 5) == 5
    assert value_of(seven | 8) == 15
    assert value_of(seven ^ 2) == 5
    assert value_of(integer(2**63)) == 2**63
    assert value_of(integer(-1)) == 2**64 - 1
    assert [value_of(less(1, 2)), value_of(less(2, 1)), value_of(less(2, 2))] == [1, 0, 0]
    assert [value_of(equal(1, 1)), value_of(equal(1, 2)), value_of(is_zero(0)), value_of(is_zero(7))] == [1, 0, 1, 0]


def test_byte_strings_are_joined_cut_compared_and_converted():
    assert Host().update(reply(concat(b"a", b"", b"bcd", bytes_of_u32(1)))) == b"abcd\x01\0\0\0"
    assert Host().update(reply(part(b"abcd", 1, 2))) == b"bc"
    assert Host().update(reply(filled(120, 70_000))) == b"x" * 70_000
    assert Host().update(reply(amount_of_integer(258))) == b"\x02\x01" + bytes(14)
    assert value_of(length(b"abc")) == 3
    assert value_of(u32_of_bytes(b"\1\1\0\0rest")) == 257
    assert [value_of(equal_bytes(b"ab", other)) for other in (b"ab", b"ac", b"a")] == [1, 0, 0]


def test_constants_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="does not fit into 64 bits"):
        integer(2**64)
    with pytest.raises(ValueError, match="does not fit into 128 bits"):
        ic0.msg_cycles_accept128(-1)
    with pytest.raises(ValueError, match="there is no slot or counter 256"):
        slot(256)
    with pytest.raises(TypeError, match="the operation length takes bytes"):
        integer_from("length", integer(1))


# Control


def test_conditions_and_loops_run_their_blocks():
    choose = when(counter(0), reply(b"yes"), reply(b"no"))
    assert Host().update(choose) == b"no"
    assert Host().update(set_counter(0, 1), choose) == b"yes"
    assert Host().update(when(0, unreachable()), reply()) == b""
    assert Host().update(repeat(3, repeat(2, ic0.msg_reply_data_append(b"x"))), ic0.msg_reply()) == b"xxxxxx"
    assert Host().update(run(concat(program(reply(b"run")))), NOTHING) == b"run"


def test_a_loop_gives_back_what_its_rounds_allocate_and_keeps_what_lasts():
    assert value_of_pages(repeat(1000, ignore(filled(1, 1000)))) == 1
    assert value_of_pages(repeat(100, append_to_slot(0, filled(1, 1000)))) > 1
    host = Host()
    host.update(repeat(5, append_to_slot(0, bytes_of_u32(counter(0))) + add_to_counter(0)))
    assert host.update(reply(slot(0))) == b"".join(number.to_bytes(4, "little") for number in range(5))


def test_spin_uses_instructions_in_proportion():
    assert fuel_of(spin(2000)) - fuel_of(spin(1000)) == 1000 * (fuel_of(spin(1)) - fuel_of(spin(0)))
    with pytest.raises(wasmtime.Trap, match="fuel"):
        Host().execute("canister_update update", program(spin(10_000)), fuel=10_000)


# What lasts


def test_slots_and_counters_last_in_the_heap():
    host = Host()
    host.update(set_slot(7, b"first"), set_slot(8, b"second"), add_to_counter(3, 5))
    host.update(set_slot(7, b"longer than first"), add_to_counter(3), reply())
    assert host.update(reply(concat(slot(7), b"|", slot(8), b"|", slot(9), bytes_of_u32(counter(3))))) == (
        b"longer than first|second|\x06\0\0\0"
    )
    host.heap = b""
    assert host.update(reply(concat(slot(7), bytes_of_u32(counter(3))))) == bytes(4)


def test_a_value_taken_from_a_slot_does_not_change_with_the_slot():
    code = slot(0).code + set_slot(0, b"new").code + bytes_(b"!").code + concat(slot(0), b"").code[-1:]
    host = Host()
    host.update(set_slot(0, b"old"))
    answer = host.execute("canister_update update", code + reply(b"").code[-2:])
    assert answer == b"old!"


def test_the_global_is_apart_from_the_heap():
    host = Host()
    host.update(set_global(5))
    assert host.update(reply(bytes_of_u32(global_value()))) == bytes(4)
    assert Host().update(set_global(5), reply(bytes_of_u32(global_value()))) == b"\5\0\0\0"


def test_stable_memory_is_read_written_and_appended_to():
    host = Host()
    host.update(stable_append(b"one"), stable_append(filled(7, 70_000)))
    host.heap = b""
    assert host.update(stable_append(b"two"), reply(stable_content())) == b"one" + b"\7" * 70_000 + b"two"
    assert Host().update(reply(stable_content())) == b""
    host = Host()
    grown = concat(bytes_of_u64(ic0.stable64_grow(1)), bytes_of_u64(ic0.stable_grow(99)))
    assert host.update(reply(grown)) == bytes(8) + b"\xff" * 8
    host.update(ic0.stable64_write(10, b"abc"), ic0.stable_write(13, b"def"))
    read = concat(
        ic0.stable64_read(9, 4), ic0.stable_read(13, 3), bytes_of_u32(ic0.stable64_size() + ic0.stable_size())
    )
    assert host.update(reply(read)) == b"\0abcdef\2\0\0\0"


def test_the_heap_grows_and_is_touched():
    host = Host()
    assert host.update(reply(bytes_of_u32(memory_grow(2)))) == b"\1\0\0\0"
    assert host.update(reply(bytes_of_u64(memory_grow(2**16)))) == b"\xff" * 8
    host.update(memory_write(100_000, b"abc"), write_every(65536, 4096, 32), read_every(65536, 4096, 32))
    assert host.update(reply(memory_read(100_000, 3))) == b"abc"
    for action in (write_every(0, 65536, 4), read_every(0, 65536, 4), ignore(memory_read(3 << 16, 1))):
        with pytest.raises(wasmtime.Trap, match="out of bounds"):
            host.update(action)


# Hooks


def test_stored_programs_run_in_their_entry_points():
    host = Host(name="scripted_tasks")
    entry_points = {
        Hook.HEARTBEAT: "canister_heartbeat",
        Hook.GLOBAL_TIMER: "canister_global_timer",
        Hook.PRE_UPGRADE: "canister_pre_upgrade",
        Hook.INSPECT_MESSAGE: "canister_inspect_message",
        Hook.ON_LOW_WASM_MEMORY: "canister_on_low_wasm_memory",
        Hook.STORED_METHOD: "canister_update stored_update",
    }
    assert set(entry_points) == set(Hook)
    for hook, entry_point in entry_points.items():
        host.execute(entry_point)
        assert host.log == ([("accept_message",)] if hook is Hook.INSPECT_MESSAGE else [])
        host.execute("canister_init", program(set_hook(hook, program(ic0.debug_print(hook.name.encode())))))
    for hook, entry_point in entry_points.items():
        host.execute(entry_point)
        assert host.log == [("debug_print", hook.name.encode())]


def test_an_empty_inspection_program_accepts_nothing():
    host = Host()
    host.execute("canister_post_upgrade", program(set_inspect_message(b"")))
    host.execute("canister_inspect_message")
    assert host.log == []


def test_a_stored_program_may_replace_itself():
    host = Host(name="scripted_tasks")
    second = program(ic0.debug_print(b"second, and longer"))
    host.update(set_heartbeat(program(set_heartbeat(second), ic0.debug_print(b"first"))), set_pre_upgrade(b""))
    for expected in (b"first", b"second, and longer"):
        host.execute("canister_heartbeat")
        assert host.log == [("debug_print", expected)]


def test_a_stored_method_reads_an_argument_that_is_no_program():
    host = Host()
    host.update(set_stored_method(program(reply(ic0.msg_arg_data()))))
    assert host.execute("canister_query stored_query", b"DIDL\0\0") == b"DIDL\0\0"
