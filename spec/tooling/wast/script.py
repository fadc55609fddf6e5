"""
Running the official test scripts of WebAssembly on this interpreter.

The text format is not part of the specification here, so the caller gives the function that compiles the text of a
module. What is about features that are not accepted is skipped, and counted with its reason; what is about the text
format itself is not applicable, and counted apart.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen

from spec.tooling.wast.script_link import COUNTER, LinkedInstance, link, spectest
from spec.tooling.wast.script_text import Group, Node, Quoted, ScriptError, Word, groups, matches, value
from spec.wasm.binary import Malformed, decode
from spec.wasm.execute import LinkError
from spec.wasm.store import CALL_STACK_EXHAUSTED
from spec.wasm.syntax import ExternalKind, Module
from spec.wasm.traps import OutOfInstructions, Trap
from spec.wasm.validate import Invalid, validate

CompileText = Callable[[str], bytes]
"""From the text of a module to its binary. May raise any exception if it does not understand the text."""

NOT_ACCEPTED: Final = "not accepted"
"""Words of a refusal that is about a feature, not about the module."""

EXTENDED_CONSTANTS: Final = ("exactly one constant instruction is accepted", "only imported globals may be used here")
"""Words of a refusal of what is a constant expression only with the extension."""

FEATURE_OF_COMMAND: Final = {"assert_exception": "exceptions are not accepted"}
"""Commands that only scripts on one feature have."""

MODULE_FIELDS: Final = frozenset(
    {"type", "import", "func", "table", "memory", "global", "export", "start", "elem", "data"}
)
"""A script may be the fields of one module, without the word."""


class Skipped(Exception):
    """A command is not run, for the reason given."""


class NotApplicable(Exception):
    """A command says nothing about the interpreter, for the reason given."""


@frozen
class Failure:
    """A command that did not do what it should."""

    file: str
    line: int
    command: str
    why: str


def _as_rows(counted: Counter[tuple[str, str]]) -> list[dict[str, object]]:
    return [{"file": file, "why": why, "count": number} for (file, why), number in sorted(counted.items())]


@define
class Report:
    """What became of the commands of some scripts."""

    passed: int = 0
    failures: list[Failure] = field(factory=list)
    skipped: Counter[tuple[str, str]] = field(factory=Counter)
    """How many were skipped, by file and reason."""
    not_applicable: Counter[tuple[str, str]] = field(factory=Counter)
    """How many are about the text format alone, by file and reason."""

    def as_json(self) -> dict[str, object]:
        """For machines: passed, failed, skipped with reasons, failures."""
        return {
            "passed": self.passed,
            "failed": len(self.failures),
            "skipped": _as_rows(self.skipped),
            "not_applicable": _as_rows(self.not_applicable),
            "failures": [
                {"file": entry.file, "line": entry.line, "command": entry.command, "why": entry.why}
                for entry in self.failures
            ],
        }


def feature(refusal: Malformed | Invalid) -> str | None:
    """The feature that a module is refused for, or None if it is refused for what it is."""
    if any(words in refusal.reason for words in EXTENDED_CONSTANTS):
        return f"extended constant expressions are {NOT_ACCEPTED}"
    return refusal.reason.split(":")[-1].strip() if NOT_ACCEPTED in refusal.reason else None


def only_ascii(text: str) -> str:
    """The text of a module with other characters, which stand in strings and comments, as escapes of their bytes."""
    return "".join(
        character
        if character.isascii()
        else "".join(f"\\{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in text
    )


@define
class ScriptRunner:
    """Runs the commands of one script."""

    file: str
    text: str
    compile_text: CompileText
    report: Report
    instances: dict[str, LinkedInstance | str] = field(factory=dict)
    """
    Instances by the name that the script gives them, the last one also under the empty name; or why there is none.
    """
    definitions: dict[str, Module | str] = field(factory=dict)
    registered: dict[str, LinkedInstance | str] = field(factory=dict)
    """Instances by the name under which modules import from them, or why there is none."""
    forgotten: dict[LinkedInstance, str] = field(factory=dict)
    """Instances of whose state nothing is known any more, and why."""
    linked: list[LinkedInstance] = field(factory=list)
    """All instances."""

    def run(self) -> None:
        """Runs all commands; what happens is added to the report."""
        self.registered["spectest"] = link(spectest(), self.exporter, self.linked)
        commands = list(groups(self.text))
        if not commands:
            raise ScriptError("there is no command in it")
        if all(command.head in MODULE_FIELDS for command in commands):
            self.text = f"(module {self.text})"
            commands = list(groups(self.text))
        for command in commands:
            try:
                if self.command(command):
                    self.report.passed += 1
            except NotApplicable as reason:
                self.report.not_applicable[self.file, str(reason)] += 1
            except Skipped as reason:
                self.forget_imported(command, str(reason))
                self.report.skipped[self.file, str(reason)] += 1
            except NotImplementedError as reason:
                self.report.skipped[self.file, f"values of the kind {reason} are {NOT_ACCEPTED}"] += 1
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
            case other if other in FEATURE_OF_COMMAND:
                raise Skipped(FEATURE_OF_COMMAND[other])
            case other:
                raise ScriptError(f"line {command.line}: there is no command {other!r}")
        return True

    # Modules

    def binary(self, group: Group) -> bytes:
        """The binary of a module of a script: given as such, or compiled."""
        items = [item for item in group.items[1:] if not (isinstance(item, Word) and item.text.startswith("$"))]
        if items and items[0] == Word("definition"):
            items = items[1:]
        content = b"".join(item.content for item in items[1:] if isinstance(item, Quoted))
        if items and items[0] == Word("binary"):
            return content
        if items and items[0] == Word("quote"):
            text = f"(module {content.decode('utf-8', 'surrogateescape')})"
        else:
            text = self.text[group.start : group.end].replace("(module definition", "(module", 1)
        try:
            return self.compile_text(only_ascii(text))
        except Exception:
            raise Skipped("the text of the module cannot be compiled") from None

    def valid_module(self, group: Group) -> Module:
        """A module that must be valid, or use a feature that is not accepted."""
        try:
            module = decode(self.binary(group))
            validate(module)
        except (Malformed, Invalid) as error:
            because = feature(error)
            if because is not None:
                raise Skipped(because) from None
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
            self.define_module(self.name(group, 2), group)
            return
        name = self.name(group, 2 if keyword == Word("instance") else 1)
        # Until the new instance exists, actions on it are skipped.
        self.instances[""] = self.instances[name] = "the module was not instantiated"
        try:
            module = self.definition(group) if keyword == Word("instance") else self.valid_module(group)
            instance = link(module, self.exporter, self.linked)
        except Skipped as reason:
            self.instances[""] = self.instances[name] = str(reason)
            raise
        self.instances[""] = self.instances[name] = instance
        if instance.module.start is not None:
            instance.invoke(instance.module.start, ())

    def define_module(self, name: str, group: Group) -> None:
        """Remembers a module for instances to come."""
        try:
            self.definitions[name] = self.valid_module(group)
        except Skipped as reason:
            self.definitions[name] = str(reason)
            raise

    def definition(self, group: Group) -> Module:
        """The module of which an instance is asked for."""
        module = self.definitions.get(self.name(group, 3), "the module is not defined")
        if isinstance(module, str):
            raise Skipped(module)
        return module

    def exporter(self, name: str) -> LinkedInstance:
        """The instance from which modules import under a name."""
        if name not in self.registered:
            raise LinkError(f"unknown import {name}")
        return self.known(self.registered[name])

    def forget_imported(self, skipped: Group, because: str) -> None:
        """Of instances that a skipped module imports from nothing is known any more, as it would share their state."""
        for item in skipped.items:
            if isinstance(item, Group):
                self.forget_imported(item, because)
        source = skipped.items[1] if skipped.head == "import" else None
        shared = self.registered.get(source.content.decode()) if isinstance(source, Quoted) else None
        if isinstance(shared, LinkedInstance) and shared is not self.registered["spectest"]:
            self.forgotten.setdefault(shared, because)

    def known(self, instance: LinkedInstance | str) -> LinkedInstance:
        """An instance whose state is known."""
        if isinstance(instance, str):
            raise Skipped(instance)
        if instance in self.forgotten:
            raise Skipped(self.forgotten[instance])
        return instance

    def register(self, group: Group) -> None:
        """Makes an instance known under a name."""
        name = group.item(1)
        if not isinstance(name, Quoted):
            raise ScriptError(f"line {group.line}: a name is expected after register")
        if self.name(group, 2) not in self.instances:
            raise ScriptError(f"line {group.line}: there is no module {self.name(group, 2)}")
        self.registered[name.content.decode()] = self.instances[self.name(group, 2)]

    # Actions and assertions

    def action(self, group: Group) -> list[int]:
        """Calls a function or reads a global of an instance."""
        name = self.name(group)
        if name not in self.instances:
            raise ScriptError(f"line {group.line}: there is no module {name}")
        instance = self.known(self.instances[name])
        place = 2 if name else 1
        exported = group.item(place)
        arguments = [value(self.group(item)) for item in group.items[place + 1 :]]
        if not isinstance(exported, Quoted):
            raise ScriptError(f"line {group.line}: the name of an export is expected")
        kind = ExternalKind.FUNCTION if group.head == "invoke" else ExternalKind.GLOBAL
        index = instance.module.exported(exported.content.decode(), kind)
        assert index is not None, "there is no such export"
        if kind is ExternalKind.GLOBAL:
            return [instance.globals[index]]
        instance.counter = COUNTER
        return instance.invoke(index, arguments)

    def group(self, node: Node) -> Group:
        """The node, which must be a list."""
        if not isinstance(node, Group):
            raise ScriptError("a list is expected where a word or a string stands")
        return node

    def assert_return(self, command: Group) -> None:
        """The action returns what is expected."""
        results = self.action(self.group(command.item(1)))
        expected = [self.group(item) for item in command.items[2:]]
        assert len(results) == len(expected), f"{len(results)} results instead of {len(expected)}"
        for actual, pattern in zip(results, expected, strict=True):
            shown = self.text[pattern.start : pattern.end]
            assert matches(actual, pattern), f"{actual:#x} instead of {shown}"

    def assert_trap(self, command: Group) -> None:
        """The action, or the instantiation, traps for the expected reason."""
        subject, reason = self.group(command.item(1)), command.item(2)
        expected = reason.content.decode() if isinstance(reason, Quoted) else ""
        try:
            if subject.head == "module":
                self.module(subject)
            else:
                self.action(subject)
        except RecursionError:
            assert expected.startswith(CALL_STACK_EXHAUSTED), "calls between instances nest too deeply"
        except OutOfInstructions:
            raise Skipped("the size of a bulk operation is charged before it is checked, and is too large") from None
        except Trap as trap:
            assert expected.startswith(trap.reason) or trap.reason.startswith(expected), (
                f"trap {trap.reason!r} instead of {expected!r}"
            )
        else:
            raise AssertionError(f"returns instead of trapping with {expected!r}")

    def assert_refused(self, command: Group) -> None:
        """The module is malformed or invalid. A refusal for a feature alone says nothing of that."""
        subject = self.group(command.item(1))
        if command.head == "assert_malformed" and Word("quote") in subject.items:
            raise NotApplicable("the text format is not part of the specification")
        expected = command.items[2] if len(command.items) > 2 else None
        binary = self.binary(subject)
        try:
            validate(decode(binary))
        except (Malformed, Invalid) as refusal:
            because = feature(refusal)
            is_expected = isinstance(expected, Quoted) and expected.content.decode() in refusal.reason
            if because is not None and not is_expected:
                raise Skipped(because) from None
            return
        raise AssertionError("the module is accepted")

    def assert_unlinkable(self, command: Group) -> None:
        """The module is valid, but its imports do not fit."""
        module = self.valid_module(self.group(command.item(1)))
        try:
            link(module, self.exporter, self.linked)
        except LinkError:
            return
        raise AssertionError("the module can be linked")


def run_script(file: str, text: str, compile_text: CompileText, report: Report) -> None:
    """Runs one script and adds what happens to the report. Raises `ScriptError` if it is none."""
    ScriptRunner(file, text, compile_text, report).run()
