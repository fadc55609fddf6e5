"""
Modules of scripts without those parts that use a feature that is not accepted.

Every other part keeps its index. A function that is left out traps with `unreachable`; of memories, tables and globals
the last ones go, so that whatever used them is not valid and is left out, too. A segment is emptied only if it filled
what went.
"""

from collections.abc import Callable
from typing import Final

from spec.tooling.wast.one_memory import OneMemory
from spec.tooling.wast.script_text import Group, Word, groups

Accepts = Callable[[str], bool]
"""The text of a module is accepted."""

SIGNATURE: Final = ("export", "type", "param", "result")
"""What a function keeps that is left out."""

EMPTY: Final = {"data": "(data)", "elem": "(elem func)"}
"""What stands for a segment."""

FILLED: Final = {"data": "memory", "elem": "table"}
"""What segments fill."""

DROPPED: Final = ("start", "export", "data", "elem", "global", "table", "memory")
"""In this order kinds of fields are left out until what remains is accepted, and put back in the opposite order."""


class Fields:
    """The fields of a module, each as it is, as what stands for it, or as nothing."""

    def __init__(self, text: str, module: Group, accepts: Accepts) -> None:
        self._accepts = accepts
        items = [item for item in module.items[1:] if isinstance(item, Group)]
        first = module.items[1] if len(module.items) > 1 else None
        self._name = first.text if isinstance(first, Word) else ""
        self._whole = [text[item.start : item.end] for item in items]
        self._heads = [item.head for item in items]
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
                self._now[index] = EMPTY.get(head, "")
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
            if not self._tried(index, self._whole[index]) and head in ("global", "table", "memory"):
                # The next one would have its index.
                return

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


def _has(group: Group, head: str) -> bool:
    return any(isinstance(item, Group) and item.head == head for item in group.items)


def stub(text: str, function: Group, kept: tuple[str, ...]) -> str:
    """A function of the same name that traps, with these parts of the original one."""
    name = function.items[1].text if len(function.items) > 1 and isinstance(function.items[1], Word) else ""
    parts = [item for item in function.items if isinstance(item, Group) and item.head in kept]
    shown = [text[item.start : item.end] for item in parts]
    return " ".join(["(func", name if name.startswith("$") else "", *shown, "unreachable)"])


def without_features(text: str, module: Group, accepts: Accepts) -> str | None:
    """The text of a module without what is not accepted; None if nothing of it would be left or it lies elsewhere."""
    most: Fields | None = None
    for one in OneMemory(text, module).texts():
        fields = Fields(one, next(groups(one)), accepts)
        if fields.leave_out() and (most is None or fields.kept_functions() > most.kept_functions()):
            most = fields
    if most is not None and most.kept_functions() > 0:
        return most.text()
    fields = Fields(text, module, accepts)
    return fields.text() if fields.leave_out() else None
