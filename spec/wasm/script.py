"""
Running the official test scripts of WebAssembly on this interpreter.

The text format is not part of the specification here, so the caller gives the function that compiles the text of a
module. What is about features that are not accepted, or about the text format itself, is skipped, and counted with its
reason.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from spec.wasm.binary import Malformed, decode
from spec.wasm.execute import HostFunction, Instance, LinkError, instantiate
from spec.wasm.opcodes import BY_NAME
from spec.wasm.script_text import Group, Node, Quoted, ScriptError, Word, groups, matches, value
from spec.wasm.syntax import (
    ExternalKind,
    FunctionType,
    Global,
    GlobalType,
    Instruction,
    Limits,
    MemoryType,
    Module,
    TableType,
    ValueType,
)
from spec.wasm.traps import OutOfInstructions, Trap
from spec.wasm.validate import Invalid, validate

CompileText = Callable[[str], bytes]
"""From the text of a module to its binary. May raise any exception if it does not understand the text."""

COUNTER: Final = 10**10
"""How many instructions an action may take; only runaway tests come near."""

CALL_DEPTH: Final = 5_000
PAGES: Final = 65_536

NOT_ACCEPTED: Final = ("not accepted", "not supported yet", "is accepted", "only imported globals", "illegal opcode")
"""Words of a refusal that is about a feature, not about the module."""

I32, I64, F32, F64 = ValueType.I32, ValueType.I64, ValueType.F32, ValueType.F64

SPECTEST_FUNCTIONS: Final[dict[str, FunctionType]] = {
    "print": FunctionType(),
    "print_i32": FunctionType((I32,)),
    "print_i64": FunctionType((I64,)),
    "print_f32": FunctionType((F32,)),
    "print_f64": FunctionType((F64,)),
    "print_i32_f32": FunctionType((I32, F32)),
    "print_f64_f64": FunctionType((F64, F64)),
}
"""The functions of the module `spectest`, which scripts may import; they do nothing here."""

SPECTEST_GLOBALS: Final[dict[str, tuple[ValueType, int]]] = {
    "global_i32": (I32, 666),
    "global_i64": (I64, 666),
    "global_f32": (F32, 0x4426A666),
    "global_f64": (F64, 0x4084D4CCCCCCCCCD),
}
"""The immutable globals of `spectest`: type and bits (666, and 666.6)."""

SPECTEST_MEMORY: Final = MemoryType(Limits(1, 2))
SPECTEST_TABLES: Final = {
    "table": TableType(ValueType.FUNCREF, Limits(10, 20)),
    "table64": TableType(ValueType.FUNCREF, Limits(10, 20, is_64_bit=True)),
}


class Skipped(Exception):
    """A command is not run, for the reason given."""


@frozen
class Failure:
    """A command that did not do what it should."""

    file: str
    line: int
    command: str
    why: str


@define
class Report:
    """What became of the commands of some scripts."""

    passed: int = 0
    failures: list[Failure] = field(factory=list)
    skipped: Counter[tuple[str, str]] = field(factory=Counter)
    """How many were skipped, by file and reason."""

    def as_json(self) -> dict[str, object]:
        """For machines: passed, failed, skipped with reasons, failures."""
        return {
            "passed": self.passed,
            "failed": len(self.failures),
            "skipped": [{"file": file, "why": why, "count": n} for (file, why), n in sorted(self.skipped.items())],
            "failures": [
                {"file": entry.file, "line": entry.line, "command": entry.command, "why": entry.why}
                for entry in self.failures
            ],
        }


def nothing(_: Instance, __: Sequence[int]) -> Sequence[int]:
    """Takes anything and gives nothing."""
    return ()


def constant(value_type: ValueType, bits: int) -> tuple[Instruction, Instruction]:
    """A constant expression."""
    return Instruction(BY_NAME[f"{value_type.value}.const"], constant=bits), Instruction(BY_NAME["end"])


@define
class ScriptRunner:
    """Runs the commands of one script."""

    file: str
    text: str
    compile_text: CompileText
    report: Report
    instances: dict[str, Instance | None] = field(factory=dict)
    """Instances by the name that the script gives them; the last one also under the empty name. None: was skipped."""
    definitions: dict[str, Module] = field(factory=dict)
    registered: dict[str, Instance | None] = field(factory=dict)
    """Instances by the name under which modules import from them."""
    forgotten: set[Instance] = field(factory=set)
    """Instances of whose state nothing is known any more."""

    def run(self) -> None:
        """Runs all commands; what happens is added to the report."""
        for command in groups(self.text):
            try:
                if self.command(command):
                    self.report.passed += 1
            except Skipped as reason:
                self.forget_imported(command)
                self.report.skipped[self.file, str(reason)] += 1
            except NotImplementedError as reason:
                self.report.skipped[self.file, f"values of the kind {reason} are not supported"] += 1
            except (AssertionError, Trap, OutOfInstructions, Malformed, Invalid, LinkError) as error:
                why = f"{type(error).__name__}: {error}"
                self.report.failures.append(Failure(self.file, command.line, command.head, why))

    def command(self, command: Group) -> bool:
        """Runs one command. True if it tells something about the interpreter."""
        match command.head:
            case "module":
                self.module(command)
            case "register":
                self.register(command)
                return False
            case "invoke" | "get":
                self.action(command)
            case "assert_return":
                self.assert_return(command)
            case "assert_trap" | "assert_exhaustion":
                self.assert_trap(command)
            case "assert_malformed" | "assert_invalid":
                self.assert_refused(command)
            case "assert_unlinkable":
                self.assert_unlinkable(command)
            case other:
                raise Skipped(f"{other} is about a feature that is not accepted")
        return True

    # Modules

    def binary(self, group: Group) -> bytes:
        """The binary of a module of a script: given as such, or compiled."""
        items = [item for item in group.items[1:] if not (isinstance(item, Word) and item.text.startswith("$"))]
        if items and items[0] == Word("definition"):
            items = items[1:]
        if items and items[0] == Word("binary"):
            return b"".join(item.content for item in items[1:] if isinstance(item, Quoted))
        if items and items[0] == Word("quote"):
            raise Skipped("the text format is not part of the specification")
        text = self.text[group.start : group.end].replace("(module definition", "(module", 1)
        try:
            return self.compile_text(text)
        except Exception:
            raise Skipped("the text of the module cannot be compiled") from None

    def valid_module(self, group: Group) -> Module:
        """A module that must be valid, or use a feature that is not accepted."""
        try:
            module = decode(self.binary(group))
            validate(module)
        except (Malformed, Invalid) as error:
            if any(words in str(error) for words in NOT_ACCEPTED):
                raise Skipped(f"refused: {error.reason.partition('(')[0].split(':')[-1].strip()}") from None
            raise
        return module

    def name(self, group: Group, position: int = 1) -> str:
        """The name that follows, or the empty one."""
        item = group.items[position] if len(group.items) > position else None
        return item.text if isinstance(item, Word) and item.text.startswith("$") else ""

    def module(self, group: Group) -> None:
        """Defines a module and, unless it is a mere definition, makes an instance."""
        keyword = group.items[1] if len(group.items) > 1 else None
        if keyword == Word("definition"):
            self.definitions[self.name(group, 2)] = self.valid_module(group)
            return
        if keyword == Word("instance"):
            name = self.name(group, 2)
            module = self.definitions.get(self.name(group, 3))
        else:
            name, module = self.name(group), None
        # Until the new instance exists, actions on it are skipped.
        self.instances[""] = self.instances[name] = None
        if module is None:
            if keyword == Word("instance"):
                raise Skipped("the module was skipped")
            module = self.valid_module(group)
        instance = self.instance(module)
        self.instances[""] = self.instances[name] = instance
        if module.start is not None:
            instance.invoke(module.start, ())

    def instance(self, module: Module) -> Instance:
        """An instance whose imports come from `spectest` and from registered instances."""
        host, linked = self.link(module)
        return instantiate(
            linked,
            host,
            counter=COUNTER,
            memory=None,
            globals=None,
            maximum_call_depth=CALL_DEPTH,
            maximum_memory_pages=PAGES,
        )

    def link(self, module: Module) -> tuple[Mapping[tuple[str, str], HostFunction], Module]:
        """
        The functions for a module, and the module with its other imports made into definitions of its own.

        An import that does not fit raises `LinkError`.
        """
        host: dict[tuple[str, str], HostFunction] = {}
        functions, tables, memories, global_values = [], [], [], []
        for entry in module.imports:
            if entry.module != "spectest" and entry.module not in self.registered:
                raise LinkError(f"unknown import {entry.module}.{entry.name}")
            description = entry.description
            if isinstance(description, int):
                host[entry.module, entry.name] = self.function(entry.module, entry.name, module.types[description])
                functions.append(entry)
            elif entry.module != "spectest":
                raise Skipped("imports a memory, table or global of another module")
            elif isinstance(description, GlobalType) and entry.name in SPECTEST_GLOBALS:
                value_type, bits = SPECTEST_GLOBALS[entry.name]
                self.require_link(description == GlobalType(value_type, False))
                global_values.append(Global(description, constant(value_type, bits)))
            elif isinstance(description, MemoryType) and entry.name == "memory":
                self.require_link(fits(SPECTEST_MEMORY.limits, description.limits))
                memories.append(SPECTEST_MEMORY)
            elif isinstance(description, TableType) and entry.name in SPECTEST_TABLES:
                table = SPECTEST_TABLES[entry.name]
                fitting = fits(table.limits, description.limits) and table.element is description.element
                self.require_link(fitting)
                tables.append(table)
            else:
                raise LinkError(f"unknown import or incompatible type: {entry.module}.{entry.name}")
        return host, evolve(
            module,
            imports=tuple(functions),
            defined_tables=(*tables, *module.defined_tables),
            defined_memories=(*memories, *module.defined_memories),
            defined_globals=(*global_values, *module.defined_globals),
        )

    def forget_imported(self, skipped: Group) -> None:
        """Of instances that a skipped module imports from nothing is known any more, as it would share their state."""
        for item in skipped.items:
            if isinstance(item, Group):
                self.forget_imported(item)
        source = skipped.items[1] if skipped.head == "import" else None
        shared = self.registered.get(source.content.decode()) if isinstance(source, Quoted) else None
        if shared is not None:
            self.forgotten.add(shared)

    def known(self, instance: Instance | None) -> Instance:
        """An instance whose state is known."""
        if instance is None or instance in self.forgotten:
            raise Skipped("the module was skipped, or shares state with one that was")
        return instance

    def require_link(self, fitting: bool) -> None:
        """An import fits."""
        if not fitting:
            raise LinkError("incompatible import type")

    def function(self, module_name: str, name: str, expected: FunctionType) -> HostFunction:
        """A function of `spectest`, or of a registered instance."""
        if module_name == "spectest":
            self.require_link(SPECTEST_FUNCTIONS.get(name) == expected)
            return nothing
        other = self.known(self.registered[module_name])
        index = other.module.exported(name, ExternalKind.FUNCTION)
        if index is None:
            raise LinkError(f"unknown import {module_name}.{name}")
        self.require_link(other.module.function_type(index) == expected)
        exporter, function = other, index

        def call(_: Instance, arguments: Sequence[int]) -> Sequence[int]:
            return self.known(exporter).invoke(function, arguments)

        return call

    def register(self, group: Group) -> None:
        """Makes an instance known under a name."""
        name = group.items[1]
        if not isinstance(name, Quoted):
            raise ScriptError("a name is expected after register")
        self.registered[name.content.decode()] = self.instances.get(self.name(group, 2))

    # Actions and assertions

    def action(self, group: Group) -> list[int]:
        """Calls a function or reads a global of an instance."""
        name = self.name(group)
        instance = self.known(self.instances.get(name))
        arguments: Sequence[Node] = group.items[2 if name else 1 :]
        exported = arguments[0]
        if not isinstance(exported, Quoted):
            raise ScriptError("the name of an export is expected")
        kind = ExternalKind.FUNCTION if group.head == "invoke" else ExternalKind.GLOBAL
        index = instance.module.exported(exported.content.decode(), kind)
        assert index is not None, "there is no such export"
        if kind is ExternalKind.GLOBAL:
            return [instance.globals[index]]
        instance.counter = COUNTER
        return instance.invoke(index, [value(item) for item in arguments[1:] if isinstance(item, Group)])

    def group(self, node: Node) -> Group:
        """The node, which must be a list."""
        if not isinstance(node, Group):
            raise ScriptError("a list is expected")
        return node

    def assert_return(self, command: Group) -> None:
        """The action returns what is expected."""
        results = self.action(self.group(command.items[1]))
        expected = [self.group(item) for item in command.items[2:]]
        assert len(results) == len(expected), f"{len(results)} results instead of {len(expected)}"
        for actual, pattern in zip(results, expected, strict=True):
            shown = self.text[pattern.start : pattern.end]
            assert matches(actual, pattern), f"{actual:#x} instead of {shown}"

    def assert_trap(self, command: Group) -> None:
        """The action, or the instantiation, traps for the expected reason."""
        subject, reason = self.group(command.items[1]), command.items[2]
        expected = reason.content.decode() if isinstance(reason, Quoted) else ""
        try:
            if subject.head == "module":
                self.module(subject)
            else:
                self.action(subject)
        except OutOfInstructions:
            raise Skipped("the size of a bulk operation is charged before it is checked, and is too large") from None
        except Trap as trap:
            assert expected.startswith(trap.reason) or trap.reason.startswith(expected), (
                f"trap {trap.reason!r} instead of {expected!r}"
            )
        else:
            raise AssertionError(f"returns instead of trapping with {expected!r}")

    def assert_refused(self, command: Group) -> None:
        """The module is malformed or invalid."""
        subject = self.group(command.items[1])
        binary = self.binary(subject)
        try:
            validate(decode(binary))
        except (Malformed, Invalid):
            return
        raise AssertionError("the module is accepted")

    def assert_unlinkable(self, command: Group) -> None:
        """The module is valid, but its imports do not fit."""
        module = self.valid_module(self.group(command.items[1]))
        try:
            self.instance(module)
        except LinkError:
            return
        raise AssertionError("the module can be linked")


def fits(given: Limits, wanted: Limits) -> bool:
    """What is given may be imported as what is wanted."""
    if given.is_64_bit != wanted.is_64_bit or given.minimum < wanted.minimum:
        return False
    return wanted.maximum is None or (given.maximum is not None and given.maximum <= wanted.maximum)


def run_script(file: str, text: str, compile_text: CompileText, report: Report) -> None:
    """Runs one script and adds what happens to the report. Raises `ScriptError` if it is none."""
    ScriptRunner(file, text, compile_text, report).run()
