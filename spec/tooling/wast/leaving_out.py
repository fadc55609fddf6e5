"""
Modules of scripts without those parts that use a feature that is not accepted.

Every other part keeps its index. A function that is left out traps with `unreachable`. In the place of a global stands
one of another type, which nobody who used the global can use; of memories, tables and imported globals the last go.
So whatever used them is not valid and is left out, too. A segment is emptied only if it filled what went.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve, frozen

from spec.tooling.wast.one_memory import SILENT, OneMemory, module_name
from spec.tooling.wast.script_text import Group, Quoted, Word, groups

Accepts = Callable[[str], bool]
"""The text of a module is accepted."""

SIGNATURE: Final = ("export", "type", "param", "result")
"""What a function keeps that is left out."""

EMPTY: Final = {"data": "(data)", "elem": "(elem func)"}
"""What stands for a segment."""

FILLED: Final = {"data": "memory", "elem": "table"}
"""What segments fill."""

DROPPED: Final = ("start", "export", "tag", "data", "elem", "global", "table", "memory")
"""In this order kinds of fields are left out until what remains is accepted, and put back in the opposite order."""

COUNTED: Final = ("tag", "global", "table", "memory")
"""Kinds of fields that are referred to by number: without one, the next would have its number."""

CALL: Final = re.compile(r"\bcall\s+(\$[^\s()]+|\d+)")
"""A call of a function by name or number."""

CHANGING: Final = re.compile(
    r"\b(?:call\w*|return_call\w*|throw\w*|(?:global|table)\.set|\w+\.(?:grow|fill|copy|init|drop|store)\w*)\b"
    r"|\b(?:array|struct)\."
)
"""An instruction that may change more than the stack and the locals of its function, or reach one that does."""


REACHING: Final = re.compile(r"\b(?:return_)?call\w*")
"""A call of a function that is not named."""


@frozen
class Remainder:
    """What is left of a module."""

    text: str
    lost: frozenset[str]
    """Names under which the whole module exports something that is left out, or is not the same."""
    missing: frozenset[str]
    """Names under which it exports functions that are left out."""
    idle: frozenset[str]
    """Those of them that change nothing."""
    alone: frozenset[str] = frozenset()
    """Names under which it exports functions that come to nothing that is left out."""
    others: "tuple[Remainder, ...]" = ()
    """What is left with another one of several memories, if functions share nothing but memories."""


class Fields:
    """The fields of a module, each as it is, as what stands for it, or as nothing."""

    def __init__(self, text: str, module: Group, accepts: Accepts) -> None:
        self._accepts = accepts
        items = [item for item in module.items[1:] if isinstance(item, Group)]
        self._items = items
        self._name = module_name(module)
        self._whole = [text[item.start : item.end] for item in items]
        self._heads = ["tag" if _is_tag(item) else item.head for item in items]
        self._instead = [instead(text, item) for item in items]
        self._functions = [
            index for index, item in enumerate(items) if item.head == "func" and not _has(item, "import")
        ]
        self._stubs = {index: stub(text, items[index], SIGNATURE) for index in self._functions}
        self._bare = {index: stub(text, items[index], SIGNATURE[:1]) for index in self._functions}
        self._now = list(self._whole)

    def text(self) -> str:
        """The module as it is now."""
        return f"(module {self._name} {' '.join(self._now)})"

    def is_accepted(self) -> bool:
        """The module as it is now is accepted."""
        return self._accepts(self.text())

    def kept_functions(self) -> int:
        """How many functions are as they were."""
        return sum(self._now[index] == self._whole[index] for index in self._functions)

    def leave_out(self) -> bool:
        """Leaves out as little as the order of trying finds. False if what is refused is none of these parts."""
        dropped: list[str] = []
        for stubs in (self._stubs, self._bare):
            for index in self._functions:
                self._now[index] = stubs[index]
            if self.is_accepted():
                break
        for head in DROPPED:
            if self.is_accepted():
                break
            dropped.append(head)
            for index in self._of(head):
                self._now[index] = self._instead[index]
        if not self.is_accepted():
            return False
        for head in reversed(dropped):
            self._put_back(head)
        if self._lacks("start") or any(self._lacks(one) and not self._lacks(FILLED[one]) for one in FILLED):
            return False
        for index in self._functions:
            if not self._tried(index, self._whole[index]):
                self._tried(index, self._stubs[index])
        return True

    def _of(self, head: str) -> list[int]:
        return [index for index, one in enumerate(self._heads) if one == head]

    def _put_back(self, head: str) -> None:
        for index in self._of(head):
            if head == "export" and self._is_of_another_global(self._items[index]):
                continue
            if not self._tried(index, self._whole[index]) and head in COUNTED and not self._instead[index]:
                return

    def _is_of_another_global(self, item: Group) -> bool:
        """An export of a global in whose place another one may stand."""
        exported = item.items[-1]
        if not isinstance(exported, Group) or exported.head != "global" or not self._lacks("global"):
            return False
        whole = {_name(self._items[one]) for one in self._of("global") if self._now[one] == self._whole[one]}
        return _referred(exported) not in whole - {""}

    def remainder(self, whole: frozenset[str]) -> Remainder:
        """What is left of a module that exports so much."""
        is_bare = any(self._now[one] == self._bare[one] != self._stubs[one] for one in self._functions)
        left = frozenset[str]() if is_bare else exported_names(next(groups(self.text())))
        missing = {index for index in self._functions if self._now[index] != self._whole[index]}
        idle = self._exported(missing & self._closed(set(), CHANGING))
        alone = self._exported(self._closed(missing, REACHING))
        return Remainder(self.text(), whole - left, self._exported(missing), idle, alone)

    def _exported(self, functions: set[int]) -> frozenset[str]:
        return frozenset(name for index in functions for name in self._exports_of(self._items[index]))

    def _closed(self, others: set[int], instructions: re.Pattern[str]) -> set[int]:
        """The functions but others that have none of some instructions, and call by name none but such functions."""
        names = {_name(self._items[index]): index for index in self._functions if _name(self._items[index])}
        codes = {index: SILENT.sub(" ", self._whole[index]) for index in self._functions}
        calls = {index: CALL.findall(code) for index, code in codes.items()}
        closed = {one for one, code in codes.items() if not instructions.search(CALL.sub(" ", code))} - others
        while calling := {one for one in closed if not all(names.get(called) in closed for called in calls[one])}:
            closed -= calling
        return closed

    def _exports_of(self, function: Group) -> Iterator[str]:
        """The names under which a function is exported, beside it or in a field that names it."""
        yield from exported_names(function)
        for index in self._of("export"):
            exported = self._items[index].items[-1]
            if isinstance(exported, Group) and _referred(exported) == _name(function) != "":
                yield from exported_names(self._items[index])

    def _lacks(self, head: str) -> bool:
        """Something of this kind is left out."""
        return any(self._now[index] != self._whole[index] for index in self._of(head))

    def _tried(self, index: int, text: str) -> bool:
        """Puts a field into the module if it is accepted with it."""
        before, self._now[index] = self._now[index], text
        if self.is_accepted():
            return True
        self._now[index] = before
        return False


def _name(field: Group) -> str:
    """The name of what a field defines, or nothing."""
    first = field.items[1] if len(field.items) > 1 else None
    return first.text if isinstance(first, Word) and first.text.startswith("$") else ""


def _referred(exported: Group) -> str:
    """The name or number of what is exported."""
    return exported.items[-1].text if isinstance(exported.items[-1], Word) else ""


def _is_tag(field: Group) -> bool:
    """A field that declares a tag, or imports one."""
    last = field.items[-1]
    return field.head == "tag" or (field.head == "import" and isinstance(last, Group) and last.head == "tag")


def exported_names(group: Group) -> frozenset[str]:
    """The names under which something is exported, anywhere in a list."""
    own = group.items[1] if group.head == "export" and len(group.items) > 1 else None
    inner = [exported_names(item) for item in group.items if isinstance(item, Group)]
    return frozenset([own.content.decode("utf-8", "surrogateescape")] if isinstance(own, Quoted) else []).union(*inner)


def instead(text: str, field: Group) -> str:
    """What stands in the place of a field that is left out: mostly nothing."""
    if field.head != "global" or _has(field, "import"):
        return EMPTY.get(field.head, "")
    is_vector = "v128" in text[field.start : field.end]
    return f"(global {_name(field)} {'externref (ref.null extern)' if is_vector else 'v128 (v128.const i64x2 0 0)'})"


def _has(group: Group, head: str) -> bool:
    return any(isinstance(item, Group) and item.head == head for item in group.items)


def stub(text: str, function: Group, kept: tuple[str, ...]) -> str:
    """A function of the same name that traps, with these parts of the original one."""
    name = function.items[1].text if len(function.items) > 1 and isinstance(function.items[1], Word) else ""
    parts = [item for item in function.items if isinstance(item, Group) and item.head in kept]
    shown = [text[item.start : item.end] for item in parts]
    return " ".join(["(func", name if name.startswith("$") else "", *shown, "unreachable)"])


def without_features(text: str, module: Group, accepts: Accepts) -> Remainder | None:
    """A module without what is not accepted; None if nothing of it would be left or it lies elsewhere."""
    exported, memories = exported_names(module), OneMemory(text, module)
    alone = [Fields(one, next(groups(one)), accepts) for one in memories.texts()]
    fitting = sorted((one for one in alone if one.leave_out()), key=Fields.kept_functions, reverse=True)
    if fitting and len(fitting) == len(alone) and memories.are_all_that_is_shared:
        most, *others = (one.remainder(exported) for one in fitting)
        return evolve(most, others=tuple(others))
    if fitting and fitting[0].kept_functions() > 0:
        return fitting[0].remainder(exported)
    fields = Fields(text, module, accepts)
    return fields.remainder(exported) if fields.leave_out() else None
