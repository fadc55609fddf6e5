"""The scripted canister, run by wasmtime with a small host of the System API."""

import re
from pathlib import Path

import pytest
import wasmtime
from attrs import define, field

from conformance.canisters import build, ic0
from conformance.canisters.disassemble import MalformedProgram, disassemble, on_one_line
from conformance.canisters.expressions import bytes_, integer, integer_from
from conformance.canisters.operations import OPERATIONS, Immediate
from conformance.canisters.scripted import (
    NOTHING,
    RELAY_REPLY,
    Hook,
    add_to_counter,
    amount_of_bytes,
    amount_of_integer,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
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
    memory_size,
    memory_write,
    part,
    perform_or,
    program,
    read_every,
    recurse_forever,
    reject,
    repeat,
    reply,
    run,
    scripted_module,
    sequence,
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

CONFIGURATION = wasmtime.Config()
CONFIGURATION.consume_fuel = True
ENGINE = wasmtime.Engine(CONFIGURATION)
MODULES = {name: wasmtime.Module(ENGINE, scripted_module(name)) for name in build.VARIANTS}
FUEL = 100_000_000
PEER = b"\x00\x00\x00\x00\x00\x00\x00\x02\x01\x01"

BLOBS = {
    "msg_caller": b"the caller",
    "msg_caller_info_data": b"caller info",
    "msg_caller_info_signer": b"signer",
    "msg_reject_msg": b"the reject",
    "msg_method_name": b"the method",
    "canister_self": b"self",
    "subnet_self": b"subnet",
    "root_key": b"key",
    "data_certificate": b"certificate",
}
INTEGERS = {
    "msg_reject_code": 4,
    "msg_deadline": 2**63,
    "canister_status": 1,
    "canister_version": 17,
    "data_certificate_present": 1,
    "time": 1_700_000_000_000_000_000,
    "in_replicated_execution": 1,
    "env_var_count": 1,
    "msg_cycles_available": 5,
    "msg_cycles_refunded": 6,
    "canister_cycle_balance": 7,
}
AMOUNTS = {
    "msg_cycles_available128": 2**70 + 1,
    "msg_cycles_refunded128": 2**71,
    "canister_cycle_balance128": 2**72,
    "canister_liquid_cycle_balance128": 2**73,
    "cost_create_canister": 2**74,
}
VARIABLES = {b"COLOUR": b"green"}


@define
class Host:
    """One canister between executions. What it called of the System API is in `log`; its memory lasts."""

    name: str = "scripted"
    heap: bytes = b""
    stable: bytearray = field(factory=bytearray)
    globals: dict[str, int] = field(factory=dict)
    argument: bytes = b""
    appended: bytes = b""
    replied: bytes | None = None
    log: list[tuple[object, ...]] = field(factory=list)
    perform_code: int = 0
    table_call: tuple[int, int] | None = None
    instance: wasmtime.Instance | None = None
    store: wasmtime.Store | None = None

    def memory(self) -> wasmtime.Memory:
        assert self.instance is not None and self.store is not None
        memory = self.instance.exports(self.store)["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    def read(self, start: int, size: int) -> bytes:
        return bytes(self.memory().read(self.store, start, start + size))

    def write(self, start: int, content: bytes) -> None:
        self.memory().write(self.store, content, start)

    def call_system(self, name: str, arguments: tuple[int, ...]) -> int | None:
        blobs = {**BLOBS, "msg_arg_data": self.argument}
        base = name.rsplit("_", 1)[0]
        if name.endswith("_size") and base in blobs:
            return len(blobs[base])
        if name.endswith("_copy") and base in blobs:
            target, offset, size = arguments
            if offset + size > len(blobs[base]):
                raise wasmtime.Trap("out of bounds")
            return self.write(target, blobs[base][offset : offset + size])
        if name in INTEGERS:
            return INTEGERS[name]
        if name in AMOUNTS:
            return self.write(arguments[0], AMOUNTS[name].to_bytes(16, "little"))
        if name in ("msg_cycles_accept128", "cycles_burn128", "cost_call", "cost_http_request"):
            high, low, target = arguments
            self.log.append((name, high % 2**64, low % 2**64))
            return self.write(target, (99).to_bytes(16, "little"))
        if name.startswith(("cost_sign", "cost_vetkd")):
            source, size, curve, target = arguments
            self.log.append((name, self.read(source, size), curve))
            self.write(target, (77).to_bytes(16, "little"))
            return 0
        return self.call_system_further(name, arguments)

    def call_system_further(self, name: str, arguments: tuple[int, ...]) -> int | None:
        match name, arguments:
            case "env_var_name_size", (index,):
                return len(list(VARIABLES)[index])
            case "env_var_name_copy", (index, target, offset, size):
                return self.write(target, list(VARIABLES)[index][offset : offset + size])
            case "env_var_name_exists", (source, size):
                return int(self.read(source, size) in VARIABLES)
            case "env_var_value_size", (source, size):
                return len(VARIABLES[self.read(source, size)])
            case "env_var_value_copy", (source, name_size, target, offset, size):
                return self.write(target, VARIABLES[self.read(source, name_size)][offset : offset + size])
            case "stable64_size" | "stable_size", ():
                return len(self.stable) >> 16
            case "stable64_grow" | "stable_grow", (pages,):
                before = len(self.stable) >> 16
                if before + pages > 10:
                    return -1
                self.stable.extend(bytes(pages << 16))
                return before
            case "stable64_write" | "stable_write", (offset, source, size):
                self.stable[offset : offset + size] = self.read(source, size)
                return None
            case "stable64_read" | "stable_read", (target, offset, size):
                return self.write(target, bytes(self.stable[offset : offset + size]))
            case "msg_reply_data_append", (source, size):
                self.appended += self.read(source, size)
                return None
            case "msg_reply", ():
                self.replied = self.appended
                return None
            case "trap", (source, size):
                raise wasmtime.Trap(self.read(source, size).decode())
            case "call_new", (callee, callee_size, method, method_size, *closures):
                self.log.append(("call_new", self.read(callee, callee_size), self.read(method, method_size), *closures))
                return None
            case "call_perform", ():
                self.log.append(("call_perform",))
                return self.perform_code
            case "is_controller", (source, size):
                return int(self.read(source, size) == b"controller")
            case (
                ("msg_reject" | "call_data_append" | "certified_data_set" | "debug_print"),
                (source, size),
            ):
                self.log.append((name, self.read(source, size)))
                return None
            case ("call_cycles_add128", (high, low)):
                self.log.append((name, (high % 2**64 << 64) + low % 2**64))
                return None
            case (("msg_cycles_accept" | "global_timer_set" | "performance_counter"), (value,)):
                self.log.append((name, value))
                return 3
            case (("accept_message" | "call_on_cleanup" | "call_with_best_effort_response" | "call_cycles_add"), _):
                self.log.append((name, *arguments))
                return None
        raise AssertionError(f"the host has no {name}{arguments}")

    def execute(self, export: str, argument: bytes = b"", fuel: int = FUEL) -> bytes | None:
        """Runs an entry point in a fresh instance, on the heap that the last execution left; gives the reply."""
        self.argument, self.appended, self.replied, self.log = argument, b"", None, []
        self.store = wasmtime.Store(ENGINE)
        self.store.set_fuel(fuel)
        linker = wasmtime.Linker(ENGINE)
        module = MODULES[self.name]
        for imported in module.imports:
            assert imported.module == "ic0" and isinstance(imported.type, wasmtime.FuncType)
            linker.define_func(
                "ic0",
                str(imported.name),
                imported.type,
                lambda *arguments, name=imported.name: self.call_system(name, arguments),
            )
        self.instance = linker.instantiate(self.store, module)
        memory = self.memory()
        if self.heap:
            memory.grow(self.store, (len(self.heap) >> 16) - memory.size(self.store))
            self.write(0, self.heap)
        function = self.instance.exports(self.store)[export]
        assert isinstance(function, wasmtime.Func)
        function(self.store)
        self.heap = self.read(0, memory.data_len(self.store))
        return self.replied

    def update(self, *actions) -> bytes | None:
        return self.execute("canister_update update", program(*actions))


def value_of(expression) -> int:
    reply_bytes = Host().update(reply(bytes_of_u64(expression)))
    assert reply_bytes is not None
    return int.from_bytes(reply_bytes, "little")


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


def value_of_pages(action) -> int:
    answer = Host().update(action, reply(bytes_of_u64(memory_size())))
    assert answer is not None
    return int.from_bytes(answer, "little")


def fuel_of(action) -> int:
    host = Host()
    host.update(action)
    assert host.store is not None
    return FUEL - host.store.get_fuel()


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


# Calls


def test_a_call_passes_its_parameters_to_the_system():
    host = Host()
    host.update(
        call(PEER, "update", b"argument", cycles=2**70, timeout_seconds=30, on_reply=RELAY_REPLY, on_cleanup=b"")
    )
    names = [entry[0] for entry in host.log]
    assert host.log[0][:3] == ("call_new", PEER, b"update")
    assert host.log[0][3] == 200 and host.log[0][5] == 201 and host.log[1][1] == 202
    assert host.log[2:] == [
        ("call_data_append", b"argument"),
        ("call_with_best_effort_response", 30),
        ("call_cycles_add128", 2**70),
        ("call_perform",),
    ]
    assert names[1] == "call_on_cleanup"
    host.update(call(PEER, "update"))
    assert [entry[0] for entry in host.log] == ["call_new", "call_perform"]


def test_a_call_that_the_system_refuses_traps_unless_the_program_says_what_to_do():
    with pytest.raises(wasmtime.Trap, match="the call was not taken"):
        Host(perform_code=2).update(call(PEER, "update"))
    assert Host(perform_code=2).update(call(PEER, "update", if_refused=reply(b"refused"))) == b"refused"
    assert Host().update(call(PEER, "update", if_refused=reply(b"refused"))) is None


def test_closures_of_any_index_can_be_given():
    host = Host()
    host.update(
        ic0.call_new_with_closures(PEER, b"m", 1, 2, 3, 4),
        ic0.call_on_cleanup_with_closure(5, 6),
        ic0.call_cycles_add(7),
        perform_or(NOTHING),
    )
    assert host.log == [
        ("call_new", PEER, b"m", 1, 2, 3, 4),
        ("call_on_cleanup", 5, 6),
        ("call_cycles_add", 7),
        ("call_perform",),
    ]


@define
class CallbackHost(Host):
    """A host whose module exports its callbacks, as the table does in a real system."""

    def execute(self, export, argument=b"", fuel=FUEL):
        MODULES["callbacks"] = callback_module()
        self.name = "callbacks"
        return super().execute(export, argument, fuel)

    def callback(self, kind: str, environment: int, reply_bytes: bytes = b"") -> bytes | None:
        set_environment = environment.to_bytes(4, "little")
        self.heap = self.heap[:12] + set_environment + self.heap[16:]
        return self.execute(f"test {kind}", reply_bytes)


def callback_module() -> wasmtime.Module:
    """The canister with exports that call its callbacks with the environment that stands in scratch memory."""
    if "callbacks" not in MODULES:
        exports = "".join(
            f'(func (export "test {kind}") (call $on_{kind} (i32.load (i32.const 12))))'
            for kind in ("reply", "reject", "cleanup")
        )
        source = (Path(build.__file__).parent / "scripted.wat").read_text().rstrip()
        MODULES["callbacks"] = wasmtime.Module(ENGINE, wasmtime.wat2wasm(source.removesuffix(")") + exports + ")"))
    return MODULES["callbacks"]


def begin_calls(host: CallbackHost, count: int) -> list[int]:
    """Makes calls whose callbacks reply with their kind; gives their environments."""
    callbacks = {f"on_{kind}": program(reply(kind.encode())) for kind in ("reply", "reject", "cleanup")}
    host.update(repeat(count, call(PEER, "update", **callbacks)))
    return [int(str(entry[4])) for entry in host.log if entry[0] == "call_new"]


def test_each_callback_runs_its_program_once():
    for kind in ("reply", "reject", "cleanup"):
        host = CallbackHost()
        first, second = begin_calls(host, 2)
        assert host.callback(kind, first) == kind.encode()
        assert host.callback(kind, first) is None
        assert host.callback(kind, second) == kind.encode()


def test_reply_callbacks_see_the_reply():
    host = CallbackHost()
    host.update(call(PEER, "update", on_reply=program(set_slot(0, ic0.msg_arg_data()), reply(slot(0)))))
    assert host.callback("reply", int(str(host.log[0][4])), b"from the peer") == b"from the peer"
    assert host.update(reply(slot(0))) == b"from the peer"


def test_records_of_answered_calls_are_used_again():
    host = CallbackHost()
    (first,) = begin_calls(host, 1)
    host.callback("reject", first)
    again = begin_calls(host, 2)
    assert again[0] == first and again[1] != first
    assert host.callback("reply", again[1]) == b"reply"


def test_records_of_calls_that_were_not_made_are_used_again():
    host = CallbackHost(perform_code=1)
    host.update(repeat(3, call(PEER, "update", on_reply=b"x" * 50, if_refused=NOTHING)))
    assert len({entry[4] for entry in host.log if entry[0] == "call_new"}) == 1
    host.update(ic0.call_new(PEER, b"m", b"", b"", b""))
    host.update(ic0.call_new(PEER, b"m", b"", b"", b""), ic0.call_new(PEER, b"n", b"", b"", b""))
    assert host.log[0][4] == host.log[1][4]
    host.perform_code = 0
    assert len(set(begin_calls(host, 3))) == 3


def test_callbacks_of_calls_that_an_upgrade_forgot_do_nothing():
    host = CallbackHost()
    (environment,) = begin_calls(host, 1)
    host.heap = bytes(65536)
    assert host.callback("reply", environment) is None
    assert host.callback("reply", 2**32 - 1) is None
    assert begin_calls(host, 1) == [environment]


# The rest of the System API


@pytest.mark.parametrize("name", sorted(BLOBS))
def test_a_blob_of_the_system_is_left_whole(name):
    assert Host().update(reply(getattr(ic0, name)())) == BLOBS[name]


@pytest.mark.parametrize("name", sorted(INTEGERS))
def test_an_integer_of_the_system_is_left(name):
    assert value_of(getattr(ic0, name)()) == INTEGERS[name]


@pytest.mark.parametrize("name", sorted(AMOUNTS))
def test_an_amount_of_the_system_is_left(name):
    assert Host().update(reply(getattr(ic0, name)())) == AMOUNTS[name].to_bytes(16, "little")


def test_functions_with_operands_pass_them_in_order():
    host = Host()
    ninety_nine = (99).to_bytes(16, "little")
    for function in (ic0.msg_cycles_accept128, ic0.cycles_burn128):
        assert host.update(reply(function(2**64 * 3 + 4))) == ninety_nine
        assert host.log == [(function.__name__, 3, 4)]
    for function in (ic0.cost_call, ic0.cost_http_request):
        assert host.update(reply(function(3, 4))) == ninety_nine
        assert host.log == [(function.__name__, 3, 4)]
    for function in (ic0.cost_sign_with_ecdsa, ic0.cost_sign_with_schnorr, ic0.cost_vetkd_derive_key):
        assert host.update(reply(function(b"key_1", 5))) == bytes(4) + (77).to_bytes(16, "little")
        assert host.log == [(function.__name__, b"key_1", 5)]
    for function in (ic0.msg_cycles_accept, ic0.global_timer_set, ic0.performance_counter):
        assert host.update(reply(bytes_of_u32(function(1)))) == b"\3\0\0\0"
        assert host.log == [(function.__name__, 1)]
    host.update(ic0.certified_data_set(b"certified"), ic0.debug_print(b"printed"), ic0.accept_message())
    assert host.log == [("certified_data_set", b"certified"), ("debug_print", b"printed"), ("accept_message",)]
    assert [value_of(ic0.is_controller(who)) for who in (b"controller", b"other")] == [1, 0]


def test_environment_variables_are_read_by_index_and_by_name():
    assert Host().update(reply(concat(ic0.env_var_name(0), ic0.env_var_value(b"COLOUR")))) == b"COLOURgreen"
    assert [value_of(ic0.env_var_name_exists(name)) for name in (b"COLOUR", b"SHAPE")] == [1, 0]


# Disassembly


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
