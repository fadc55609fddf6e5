"""A small host of the System API, on which wasmtime runs the scripted canister."""

from pathlib import Path

import wasmtime
from attrs import define, field

from conformance.canisters import build
from conformance.canisters.scripted import (
    bytes_of_u64,
    call,
    memory_size,
    program,
    repeat,
    reply,
    scripted_module,
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


def value_of_pages(action) -> int:
    answer = Host().update(action, reply(bytes_of_u64(memory_size())))
    assert answer is not None
    return int.from_bytes(answer, "little")


def fuel_of(action) -> int:
    host = Host()
    host.update(action)
    assert host.store is not None
    return FUEL - host.store.get_fuel()


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
