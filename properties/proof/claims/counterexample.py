"""A failed obligation, told in words: the conditions of the path, and the values before and after."""

from typing import Any

import attrs
import z3

from properties.proof.containers.containers import UnknownMap, UnknownQueue
from properties.proof.containers.entries import Changed, Dropped, Put
from properties.proof.paths.runs import Path
from properties.proof.terms.formulas import Formula
from properties.proof.terms.symbols import literal_of
from properties.proof.values.scalars import UnknownMember, UnknownScalar, member_number
from properties.proof.values.unknown import OneOf, Record


@attrs.frozen
class Counterexample:
    """What a path looks like on which an obligation fails."""

    conditions: tuple[str, ...]
    """The conditions of the rule that hold on the path, in its own words."""
    values: tuple[str, ...]
    """The values of the free variables, and what changes."""


def counterexample_of(current: Path, fired: Any, formula: Formula) -> Counterexample:
    """Reads a counterexample off the solver's model."""
    conditions = tuple(
        text if answer else f"not: {text}" for text, answer in current.notes.get("conditions", {}).items()
    )
    current.solver.push()
    current.solver.add(z3.Not(formula))
    model = current.solver.model() if current.solver.check() == z3.sat else None
    current.solver.pop()
    if fired is None or model is None:
        return Counterexample(conditions, ())
    return Counterexample(conditions, tuple(_values(Reader(model), fired)))


def _values(reader: "Reader", fired: Any) -> list[str]:
    lines = [f"{name} = {reader.show(value)}" for name, value in fired.choices.items()]
    changes = getattr(fired.step.state, "made_changes", {})
    for name, container in changes.items():
        lines += reader.changes(name, container)
    lines += [f"minted {reader.show(each.cycles)} ({each.reason.value})" for each in fired.step.minted]
    lines += [f"burned {reader.show(each.cycles)} ({each.reason.value})" for each in fired.step.burned]
    return lines


@attrs.frozen(eq=False)
class Reader:
    """Shows values as they are in a model."""

    model: Any

    def scalar(self, value: UnknownScalar) -> str:
        """A number, truth value, name or member."""
        found = self.model.eval(value.term, model_completion=True)
        if type(value) is UnknownMember:
            return next(str(one.name) for one in value.enumeration if member_number(one) == found.as_long())
        if z3.is_int_value(found):
            known = literal_of(found.as_long())
            return str(found) if known is None else repr(known)
        return str(found).lower()

    def show(self, value: Any) -> str:
        """Any value, in a few words."""
        kind = type(value)
        if issubclass(kind, UnknownScalar):
            return self.scalar(value)
        if kind is OneOf:
            members, name, _, tag = object.__getattribute__(value, "_unknown")
            member = members[self.model.eval(tag, model_completion=True).as_long()]
            return f"{getattr(member, '__name__', member)} ({name})"
        if issubclass(kind, Record):
            changed = ", ".join(f"{name}={self.show(part)}" for name, part in value.made_changes.items())
            return f"{value.made_from.name} with {changed}" if changed else value.made_from.name
        if attrs.has(kind) and kind.__module__.startswith("spec.") and "containers" not in kind.__module__:
            fields = ", ".join(f"{field.name}={self.show(getattr(value, field.name))}" for field in attrs.fields(kind))
            return f"{kind.__name__}({fields})"
        return repr(value) if isinstance(value, str | bytes | int | None) else f"<{kind.__name__}>"

    def changes(self, name: str, container: Any) -> list[str]:
        """What happened to a container."""
        if type(container) not in (UnknownMap, UnknownQueue):
            return [f"{name} = {self.show(container)}"]
        lines = []
        for layer in container.entries.layers:
            match layer:
                case Put(key, value):
                    lines += [f"{name}[{self.show(key)}] = {line}" for line in self.difference(value)]
                case Dropped(key):
                    lines.append(f"{name}[{self.show(key)}] is removed")
                case Changed(change=change):
                    lines.append(f"{name}: {change.__name__} of all that are selected")
        if type(container) is UnknownQueue and container.younger.parts:
            lines.append(f"{name}: {len(container.younger.parts)} lists enter")
        return lines

    def difference(self, value: Any) -> list[str]:
        """A value that was put, with the fields that changed as before -> after."""
        if not issubclass(type(value), Record):
            return [self.show(value)]
        lines = []
        for name, after in value.made_changes.items():
            kind = type(after)
            if issubclass(kind, UnknownScalar) or kind in (int, bool):
                before = value.made_from.field(name) if kind is not UnknownMember else None
                shown = self.show(before) if issubclass(type(before), UnknownScalar) else "?"
                lines.append(f"{value.made_from.name}: {name} {shown} -> {self.show(after)}")
            else:
                lines.append(f"{value.made_from.name}: {name} -> {self.show(after)}")
        return lines
