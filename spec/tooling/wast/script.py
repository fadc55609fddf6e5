"""
Running the official test scripts of WebAssembly on an engine.

The text format is not part of the specification here, so the caller gives the function that compiles the text of a
module. What is about features that are not accepted is skipped, and counted with its reason; what is about the text
format itself is not applicable, and counted apart.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from attrs import define, field, frozen

from spec.tooling.wast.engine import ScriptEngine, ScriptInstance, Skipped, ValidModule
from spec.tooling.wast.leaving_out import Remainder, without_features
from spec.tooling.wast.script_link import InterpretedScript
from spec.tooling.wast.script_text import Group, Node, Quoted, ScriptError, Word, groups, matches, value
from spec.wasm.binary import Malformed, decode
from spec.wasm.execute import LinkError
from spec.wasm.store import CALL_STACK_EXHAUSTED
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

NEVER_RUN: Final = frozenset({"assert_malformed", "assert_invalid", "assert_unlinkable"})
"""Commands on modules of which there is no instance in the end."""

ACTING: Final = ("func", "start", "elem", "data", "binary", "quote")
"""Fields, and forms, of modules that may change what they import."""

UNREACHABLE: Final = "unreachable"
"""How functions trap that were left out, and others."""

Result = TypeVar("Result")

MODULE_FIELDS: Final = frozenset(
    {"type", "import", "func", "table", "memory", "global", "export", "start", "elem", "data"}
)
"""A script may be the fields of one module, without the word."""


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


def has_field(module: Group, head: str) -> bool:
    """The module has such a field, or is given in this form."""
    return any(item.head == head if isinstance(item, Group) else item == Word(head) for item in module.items)


@define
class ScriptRunner:
    """Runs the commands of one script."""

    file: str
    text: str
    compile_text: CompileText
    report: Report
    engine: ScriptEngine
    instances: dict[str, ScriptInstance | str] = field(factory=dict)
    """
    Instances by the name that the script gives them, the last one also under the empty name; or why there is none.
    """
    definitions: dict[str, ValidModule | str] = field(factory=dict)
    registered: dict[str, ScriptInstance | str] = field(factory=dict)
    """Instances by the name under which modules import from them, or why there is none."""
    forgotten: dict[ScriptInstance, str] = field(factory=dict)
    """Instances of whose state nothing is known any more, and why."""
    exporters: dict[ScriptInstance, list[ScriptInstance]] = field(factory=dict)
    """From which instances each imports."""
    partial: dict[ScriptInstance, str] = field(factory=dict)
    """Instances that lack something, or import from one that does, and the feature for which it was left out."""
    modules: dict[ScriptInstance, ValidModule] = field(factory=dict)
    """Of what they are instances."""
    siblings: dict[ScriptInstance, tuple[ScriptInstance, ...]] = field(factory=dict)
    """Instances of the same module with other ones of its memories."""

    def run(self) -> None:
        """Runs all commands; what happens is added to the report."""
        self.registered["spectest"] = self.engine.spectest()
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
                left_out = self.module(command)
                if left_out is not None:
                    self.report.skipped[self.file, left_out] += 1
                return left_out is None
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

    def valid_module(self, group: Group) -> ValidModule:
        """A module that must be valid, or use a feature that is not accepted."""
        binary = self.binary(group)
        try:
            module = decode(binary)
            validate(module)
        except (Malformed, Invalid) as error:
            because = feature(error)
            if because is None:
                raise
            return self.reduced(group, because)
        return ValidModule(module, binary)

    def reduced(self, group: Group, because: str) -> ValidModule:
        """The module without the parts for which it is not accepted. Raises `Skipped` if that is impossible."""
        found: dict[str, bytes] = {}

        def accepts(text: str) -> bool:
            try:
                binary = self.compile_text(only_ascii(text))
                module = decode(binary)
                validate(module)
            except Exception:
                # Reason: the compiler of texts is the caller's, and may raise anything.
                return False
            found[text] = binary
            return True

        if any(Word(keyword) in group.items[1:4] for keyword in ("binary", "quote")):
            raise Skipped(because)
        remainder = without_features(self.text, group, accepts)
        if remainder is None:
            raise Skipped(because)

        def valid(one: Remainder) -> ValidModule:
            others = tuple(map(valid, one.others))
            return ValidModule(
                decode(found[one.text]), found[one.text], because, one.lost, one.missing, one.idle, one.alone, others
            )

        return valid(remainder)

    def name(self, group: Group, position: int = 1) -> str:
        """The name that follows, or the empty one."""
        item = group.items[position] if len(group.items) > position else None
        return item.text if isinstance(item, Word) and item.text.startswith("$") else ""

    def module(self, group: Group) -> str | None:
        """Defines a module and, unless it is a mere definition, makes an instance. Says why something was left out."""
        keyword = group.items[1] if len(group.items) > 1 else None
        if keyword == Word("definition"):
            return self.define_module(self.name(group, 2), group)
        name = self.name(group, 2 if keyword == Word("instance") else 1)
        # Until the new instance exists, actions on it are skipped.
        self.instances[""] = self.instances[name] = "the module was not instantiated"
        try:
            valid = self.definition(group) if keyword == Word("instance") else self.valid_module(group)
            instance = self.linked(valid)
        except Skipped as reason:
            self.instances[""] = self.instances[name] = str(reason)
            raise
        self.instances[""] = self.instances[name] = instance
        self.acting(instance, instance.start)
        return valid.left_out

    def linked(self, valid: ValidModule) -> ScriptInstance:
        """A new instance, which may call those from which it imports."""
        exporters: list[ScriptInstance] = []

        def find(name: str, imported: str) -> ScriptInstance:
            exporters.append(self.exporter(name, imported))
            return exporters[-1]

        try:
            instance = self.engine.instance(valid, find)
        except LinkError:
            for entry in valid.module.imports:
                exporter = self.exporter(entry.module, entry.name)
                if exporter in self.modules and entry.name in self.modules[exporter].lost:
                    raise Skipped(self.partial[exporter]) from None
            raise
        self.exporters[instance], self.modules[instance] = exporters, valid
        self.siblings[instance] = tuple(self.linked(other) for other in valid.others)
        reasons = [valid.left_out, *(self.partial.get(exporter) for exporter in exporters)]
        if any(reasons):
            self.partial[instance] = next(reason for reason in reasons if reason)
        return instance

    def acting(self, instance: ScriptInstance, act: Callable[[], Result], is_alone: bool = False) -> Result:
        """
        What an action gives; skipped if it comes to what was left out of the instance, which nobody knows then.

        An action that is alone comes to nothing that was left out.
        """
        try:
            return act()
        except (Trap, AssertionError) as failure:
            left_out = self.partial.get(instance)
            if (
                left_out is None
                or is_alone
                or (isinstance(failure, Trap) and not failure.reason.startswith(UNREACHABLE))
            ):
                raise
            self.forget(instance, left_out)
            raise Skipped(left_out) from None

    def forget(self, instance: ScriptInstance, because: str) -> None:
        """Of an instance, and of those that it may have called, nothing is known any more."""
        for one in (instance, *self.siblings.get(instance, ()), *self.exporters.get(instance, ())):
            if one is not self.registered["spectest"] and one not in self.forgotten:
                self.forgotten[one] = because
                self.forget(one, because)

    def define_module(self, name: str, group: Group) -> str | None:
        """Remembers a module for instances to come. Says why something was left out."""
        try:
            valid = self.definitions[name] = self.valid_module(group)
            return valid.left_out
        except Skipped as reason:
            self.definitions[name] = str(reason)
            raise

    def definition(self, group: Group) -> ValidModule:
        """The module of which an instance is asked for."""
        module = self.definitions.get(self.name(group, 3), "the module is not defined")
        if isinstance(module, str):
            raise Skipped(module)
        return module

    def exporter(self, name: str, imported: str) -> ScriptInstance:
        """The instance from which modules import under a name, or that one of its siblings that has what they want."""
        if name not in self.registered:
            raise LinkError(f"unknown import {name}")
        registered = self.known(self.registered[name])
        having = (one for one in self.siblings.get(registered, ()) if imported not in self.modules[one].lost)
        is_lost = registered in self.modules and imported in self.modules[registered].lost
        return self.known(next(having, registered)) if is_lost else registered

    def forget_imported(self, skipped: Group, because: str) -> None:
        """
        Of instances that a skipped module imports from nothing is known any more, as it would share their state.

        Of a module without functions and segments, and of one that cannot be linked, nothing is ever run.
        """
        is_module = skipped.head == "module"
        if skipped.head in NEVER_RUN or (is_module and not any(has_field(skipped, one) for one in ACTING)):
            return
        for item in skipped.items:
            if isinstance(item, Group):
                self.forget_imported(item, because)
        source = skipped.items[1] if skipped.head == "import" else None
        shared = self.registered.get(source.content.decode()) if isinstance(source, Quoted) else None
        if shared is not None and not isinstance(shared, str) and shared is not self.registered["spectest"]:
            self.forgotten.setdefault(shared, because)

    def known(self, instance: ScriptInstance | str) -> ScriptInstance:
        """An instance whose state is known."""
        if isinstance(instance, str):
            raise Skipped(instance)
        if instance in self.forgotten:
            raise Skipped(self.forgotten[instance])
        for exporter in self.exporters.get(instance, ()):
            self.known(exporter)
        return instance

    def able(self, instance: ScriptInstance, name: str) -> ScriptInstance:
        """The one among an instance and its siblings in which an exported function is there; the instance if none."""
        able = (one for one in (instance, *self.siblings[instance]) if name not in self.modules[one].missing)
        return self.known(next(able, instance))

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
        text = exported.content.decode()
        instance = self.able(instance, text)
        if text in self.modules[instance].idle:
            raise Skipped(self.partial[instance])
        if group.head == "invoke":
            is_alone = text in self.modules[instance].alone
            return self.acting(instance, lambda: instance.call(text, arguments), is_alone)
        return [self.acting(instance, lambda: instance.read(text))]

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
                left_out = self.module(subject)
                if left_out is not None:
                    raise Skipped(left_out)
            else:
                self.action(subject)
        except RecursionError:
            assert expected.startswith(CALL_STACK_EXHAUSTED), "calls between instances nest too deeply"
        except OutOfInstructions:
            raise Skipped("the size of a bulk operation is charged before it is checked, and is too large") from None
        except Trap as trap:
            told = self.engine.words_for_traps.get(expected, expected)
            is_right = any(one.startswith(trap.reason) or trap.reason.startswith(one) for one in (expected, told))
            assert is_right, f"trap {trap.reason!r} instead of {expected!r}"
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
            self.engine.refuse(binary)
        except (Malformed, Invalid) as refusal:
            because = feature(refusal)
            is_expected = isinstance(expected, Quoted) and expected.content.decode() in refusal.reason
            if because is not None and not is_expected:
                raise Skipped(because) from None
            return
        raise AssertionError("the module is accepted")

    def assert_unlinkable(self, command: Group) -> None:
        """The module is valid, but its imports do not fit."""
        valid = self.valid_module(self.group(command.item(1)))
        if valid.left_out is not None and not valid.others:
            raise Skipped(valid.left_out)
        try:
            self.linked(valid)
        except LinkError:
            return
        if valid.left_out is not None:
            raise Skipped(valid.left_out)
        raise AssertionError("the module can be linked")


def run_script(
    file: str, text: str, compile_text: CompileText, report: Report, engine: ScriptEngine | None = None
) -> None:
    """
    Runs one script, on the specification's interpreter if no engine is given, and adds what happens to the report.

    Raises `ScriptError` if it is none.
    """
    ScriptRunner(file, text, compile_text, report, InterpretedScript() if engine is None else engine).run()
