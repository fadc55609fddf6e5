"""The Motoko canisters: their shape, and calls in Candid run by wasmtime with a small host of the System API."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import wasmtime
from attrs import define, field

from conformance.canisters import library
from conformance.canisters.library import MOTOKO, NAMES, WEBSITES, UnknownCanister, load
from spec.values.candid import BLOB, Opt, Primitive, Record, Some, decode, encode

CONFIGURATION = wasmtime.Config()
CONFIGURATION.wasm_memory64 = True
ENGINE = wasmtime.Engine(CONFIGURATION)
FOLDER = Path(library.__file__).parent / "motoko"
OWN_ID = bytes.fromhex("00000000000000010101")
PEER = bytes.fromhex("00000000000000020101")
METHODS = {
    "counter": {"update inc", "update set", "query read", "query read_forgotten"},
    "pair": {"update take", "update send", "query report"},
    "registry": {"update put", "query get", "query size"},
    "awaiter": {
        "update pause",
        "update await_self",
        "update await_peer",
        "update trap_at_once",
        "update catch_peer",
        "query kept",
    },
    "website": {"query http_request", "query next_piece", "update http_request_update"},
}
NAT, TEXT, BOOL, PRINCIPAL = Primitive.NAT, Primitive.TEXT, Primitive.BOOL, Primitive.PRINCIPAL


def number(encoded: bytes, position: int) -> tuple[int, int]:
    """Reads a LEB128 number; gives it and the position after it."""
    value = shift = 0
    while True:
        byte = encoded[position]
        value, shift, position = value | (byte & 0x7F) << shift, shift + 7, position + 1
        if byte < 0x80:
            return value, position


def leb128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])


def sections(module: bytes) -> list[tuple[int, bytes]]:
    """The kinds and contents of the sections of a binary module, in order."""
    found, position = [], 8
    while position < len(module):
        size, start = number(module, position + 1)
        found.append((module[position], module[start : start + size]))
        position = start + size
    return found


def with_exported_globals(module: bytes) -> bytes:
    """The module with every global exported, so that a host can bring back what they were."""
    contents = dict(sections(module))
    how_many, _ = number(contents[6], 0)
    names = [f"global {index}".encode() for index in range(how_many)]
    added = b"".join(leb128(len(name)) + name + b"\3" + leb128(index) for index, name in enumerate(names))
    before, position = number(contents[7], 0)
    exports = leb128(before + how_many) + contents[7][position:] + added
    changed = [(kind, exports if kind == 7 else content) for kind, content in sections(module)]
    return module[:8] + b"".join(bytes([kind]) + leb128(len(content)) + content for kind, content in changed)


@define
class Host:
    """One canister that stays instantiated. A query or a trap leaves its memory and globals as they were."""

    name: str
    argument: bytes = b""
    reply: bytes = b""
    reject: bytes | None = None
    responded: bool = False
    available: int = 0
    refunded: int = 0
    balance: int = 10**12
    call: list[object] = field(factory=list)
    store: wasmtime.Store = field(factory=lambda: wasmtime.Store(ENGINE))
    instance: wasmtime.Instance = field(init=False)

    def __attrs_post_init__(self) -> None:
        module = wasmtime.Module(ENGINE, with_exported_globals(load(self.name)))
        linker = wasmtime.Linker(ENGINE)
        for imported in module.imports:
            linker.define_func(
                imported.module,
                str(imported.name),
                imported.type,
                lambda *arguments, name=imported.name: self.system(str(name), arguments),
            )
        # The start function runs here.
        self.instance = linker.instantiate(self.store, module)
        self.execute("canister_init")

    def export(self, name: str):
        return self.instance.exports(self.store)[name]

    def read(self, start: int, size: int) -> bytes:
        return bytes(self.export("mem").read(self.store, start, start + size))

    def write(self, start: int, content: bytes) -> None:
        self.export("mem").write(self.store, content, start)

    def system(self, name: str, arguments: tuple[int, ...]) -> int | None:
        match name, arguments:
            case "msg_arg_data_size", ():
                return len(self.argument)
            case "msg_arg_data_copy", (target, offset, size):
                return self.write(target, self.argument[offset : offset + size])
            case "msg_caller_size" | "canister_self_size", ():
                return len(OWN_ID)
            case "msg_caller_copy" | "canister_self_copy", (target, offset, size):
                return self.write(target, OWN_ID[offset : offset + size])
            case "msg_reply_data_append", (source, size):
                self.reply += self.read(source, size)
                return None
            case "msg_reply", ():
                self.responded = True
                return None
            case "msg_reject", (source, size):
                self.reject = self.read(source, size)
                return None
            case "msg_reject_code", ():
                return 0
            case "msg_cycles_available128", (target,):
                return self.write(target, self.available.to_bytes(16, "little"))
            case "msg_cycles_refunded128", (target,):
                return self.write(target, self.refunded.to_bytes(16, "little"))
            case "msg_cycles_accept128", (high, low, target):
                accepted = min((high << 64) + low, self.available)
                self.available -= accepted
                return self.write(target, accepted.to_bytes(16, "little"))
            case "canister_cycle_balance128", (target,):
                return self.write(target, self.balance.to_bytes(16, "little"))
            case "call_new", (callee, callee_size, method, method_size, *closures):
                self.call = [self.read(callee, callee_size), self.read(method, method_size).decode(), 0, *closures]
                return None
            case "call_cycles_add128", (high, low):
                self.call[2] = (high << 64) + low
                return None
            case "call_perform" | "stable64_size" | "performance_counter" | "time", _:
                return 0
            case "canister_status", ():
                return 1
            case "call_on_cleanup" | "call_data_append" | "debug_print", _:
                return None
            case "trap", (source, size):
                raise wasmtime.Trap(self.read(source, size).decode())
        raise AssertionError(f"the host has no {name}{arguments}")

    def execute(self, export: str, argument: bytes = b"") -> None:
        self.argument, self.reply, self.reject, self.responded = argument, b"", None, False
        self.run(self.export(export), lasts=not export.startswith("canister_query"))

    def run(self, function, *arguments: int, lasts: bool = True) -> None:
        exports = self.instance.exports(self.store)
        changeable = [item for item in exports.values() if isinstance(item, wasmtime.Global)]
        changeable = [item for item in changeable if item.type(self.store).mutable]
        memory, values = (
            self.read(0, self.export("mem").data_len(self.store)),
            [g.value(self.store) for g in changeable],
        )
        try:
            function(self.store, *arguments)
        except wasmtime.Trap:
            lasts = False
            raise
        finally:
            if not lasts:
                self.write(0, memory)
                for item, value in zip(changeable, values, strict=True):
                    item.set_value(self.store, value)

    def ask(self, method: str, types, values, result_types):
        """Calls a method with values of types; gives the values of the reply."""
        self.execute(f"canister_{method}", encode(types, values))
        assert self.responded
        return decode(result_types, self.reply)

    def answer(self, argument: bytes) -> None:
        """Runs the reply callback of the last call."""
        self.argument, self.reply, self.responded = argument, b"", False
        self.run(self.export("table").get(self.store, self.call[3]), self.call[4])


# Shape


@pytest.mark.parametrize("name", MOTOKO + WEBSITES)
def test_a_module_exports_the_methods_of_its_source(name):
    exports = {str(export.name) for export in wasmtime.Module(ENGINE, load(name)).exports}
    methods = {export.removeprefix("canister_") for export in exports if " " in export and "motoko_" not in export}
    assert methods == METHODS[name]
    assert {"canister_init", "canister_pre_upgrade", "canister_post_upgrade"} <= exports


@pytest.mark.parametrize("name", MOTOKO + WEBSITES)
def test_a_module_has_64_bit_memory_a_start_function_and_keeps_its_heap(name):
    module = wasmtime.Module(ENGINE, load(name))
    memories = [export.type for export in module.exports if isinstance(export.type, wasmtime.MemoryType)]
    assert [memory.is_64 for memory in memories] == [True]
    assert 8 in [kind for kind, _ in sections(load(name))]
    assert b"icp:private enhanced-orthogonal-persistence" in load(name)
    assert b"icp:public candid:service" in load(name)


def test_every_canister_of_the_library_is_a_module_and_no_other_name_is_known():
    assert all(load(name)[:4] == b"\0asm" for name in NAMES)
    with pytest.raises(UnknownCanister, match="there is no canister 'conuter'; there are scripted, "):
        load("conuter")


@pytest.mark.deep
def test_the_checked_in_modules_are_what_the_compiler_gives():
    if not (FOLDER / "node_modules").exists() or shutil.which("node") is None:
        pytest.skip("the compiler is not installed: run `npm ci` in conformance/canisters/motoko")
    finished = subprocess.run(["node", "build.mjs", "--check"], cwd=FOLDER, capture_output=True, text=True, timeout=300)
    assert (finished.returncode, finished.stderr) == (0, "")


# Behaviour


def test_the_counter_counts_and_is_read_and_set():
    host = Host("counter")
    assert host.ask("update inc", [], [], [NAT]) == (1,)
    assert host.ask("update inc", [], [], [NAT]) == (2,)
    assert host.ask("query read", [], [], [NAT]) == (2,)
    assert host.ask("update set", [NAT], [10**30], []) == ()
    assert host.ask("query read_forgotten", [], [], [NAT]) == (10**30,)


def test_the_registry_puts_gets_and_counts():
    host = Host("registry")
    put = ("update put", [TEXT, BLOB], ["one", b"first"], [Opt(BLOB)])
    assert host.ask(*put) == (None,)
    assert host.ask(*put) == (Some(b"first"),)
    assert host.ask("update put", [TEXT, BLOB], ["two", b"second"], [Opt(BLOB)]) == (None,)
    assert host.ask("query get", [TEXT], ["one"], [Opt(BLOB)]) == (Some(b"first"),)
    assert host.ask("query get", [TEXT], ["three"], [Opt(BLOB)]) == (None,)
    assert host.ask("query size", [], [], [NAT]) == (2,)


TAKEN = Record({"offered": NAT, "accepted": NAT})


def test_the_pair_accepts_and_attaches_cycles():
    host = Host("pair", available=100)
    assert host.ask("update take", [NAT], [60], [TAKEN]) == ({"offered": 100, "accepted": 60},)
    host.execute("canister_update send", encode([PRINCIPAL, NAT, NAT], [PEER, 1000, 700]))
    assert host.call[:3] == [PEER, "take", 1000]
    host.refunded, host.balance = 300, 10**12 - 700
    host.answer(encode([TAKEN], [{"offered": 1000, "accepted": 700}]))
    sent = Record(dict.fromkeys(("offered", "accepted", "refunded", "balance_before", "balance_after"), NAT))
    assert decode([sent], host.reply) == (
        {
            "offered": 1000,
            "accepted": 700,
            "refunded": 300,
            "balance_before": 10**12,
            "balance_after": 10**12 - 700,
        },
    )
    report = Record({"balance": NAT, "received": NAT, "calls_made": NAT})
    assert host.ask("query report", [], [], [report]) == ({"balance": 10**12 - 700, "received": 60, "calls_made": 1},)


def test_the_awaiter_changes_state_awaits_changes_it_again_and_traps():
    for method, types, values, callee in (
        ("await_self", [BOOL], [True], OWN_ID),
        ("await_peer", [PRINCIPAL, BOOL], [PEER, True], PEER),
    ):
        host = Host("awaiter")
        host.execute(f"canister_update {method}", encode(types, values))
        assert not host.responded and host.call[:2] == [callee, "pause"]
        kept = Record({"before": NAT, "after": NAT})
        assert host.ask("query kept", [], [], [kept]) == ({"before": 1, "after": 0},)
        with pytest.raises(wasmtime.Trap, match="after the await"):
            host.answer(encode([], []))
        assert host.ask("query kept", [], [], [kept]) == ({"before": 1, "after": 0},)
        with pytest.raises(wasmtime.Trap, match="at once"):
            host.execute("canister_update trap_at_once", encode([], []))
        assert host.ask("query kept", [], [], [kept]) == ({"before": 1, "after": 0},)


def test_the_awaiter_that_does_not_trap_replies_after_the_await():
    host = Host("awaiter")
    host.execute("canister_update await_peer", encode([PRINCIPAL, BOOL], [PEER, False]))
    host.answer(encode([], []))
    assert host.responded
    assert host.ask("query kept", [], [], [Record({"before": NAT, "after": NAT})]) == ({"before": 1, "after": 1},)


def test_the_notice_names_every_module_and_the_compiler_that_made_it() -> None:
    """What is embedded is that of one build."""
    notice = (FOLDER / "NOTICE.md").read_text()
    modules = sorted(FOLDER.glob("*.wasm"))
    assert modules
    for module in modules:
        assert f"`{module.name}`" in notice
        build = re.search(rb"motoko:compiler([0-9a-z-]+)", module.read_bytes())
        assert build is not None and f"`{build[1].decode()}`" in notice
    pinned = json.loads((FOLDER / "package.json").read_text())["devDependencies"]["motoko"]
    assert f"`motoko` {pinned}" in notice
