"""
Modules of scripts that have several memories, with one of them alone.

A canister has one memory. Which of several a function uses stands in its text, so those that use no other one mean the
same in a module that has only that one. What uses another memory is left out.
"""

import re
from collections.abc import Iterator
from typing import Final

from spec.tooling.wast.script_text import Group, Word

ACCESS: Final = re.compile(r"\b(?:[if](?:32|64)|v128)\.(?:load|store)\w*|\bmemory\.\w+")
"""An instruction that names a memory, or means the first one."""

SILENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|;;[^\n]*|\(;.*?;\)', re.DOTALL)
"""Strings and comments, which name no instruction."""

NAMES: Final = re.compile(r"\s+(\$[^\s()]+|\d+(?=[\s()]))")
"""What may follow it: the name or number of a memory, or of a data segment."""

NAMES_OF: Final = {"memory.copy": 2, "memory.init": 1}
"""How many memories an instruction names; one if it is not listed."""

APART: Final = frozenset({"memory", "data", "func", "export", "type", "table", "global"})
"""Fields of modules in which functions may share nothing but memories; tables and globals are there for others."""

SHARING: Final = re.compile(r"\b(?:return_)?call\w*|\b(?:global|table|elem)\.|\bdata\.drop")
"""An instruction by which they share something else, or need each other."""

UNUSABLE: Final = "unreachable (unknown)"
"""Stands for the body of what cannot be kept: no compiler of texts takes it, so it is left out."""


def _imports_memory(item: Group) -> bool:
    return item.head == "import" and isinstance(item.items[-1], Group) and item.items[-1].head == "memory"


def _name(item: Group) -> str:
    """The name that the memory has in the text, or nothing."""
    declared = item.items[-1] if item.head == "import" else item
    assert isinstance(declared, Group)
    first = declared.items[1] if len(declared.items) > 1 else None
    return first.text if isinstance(first, Word) and first.text.startswith("$") else ""


def module_name(module: Group) -> str:
    """The name of a module in its script, or nothing."""
    return next((item.text for item in module.items[1:3] if isinstance(item, Word) and item.text[0] == "$"), "")


class OneMemory:
    """The texts of a module with each of its memories alone."""

    def __init__(self, text: str, module: Group) -> None:
        self._text = text
        self._name = next(
            (item.text for item in module.items[1:3] if isinstance(item, Word) and item.text[0] == "$"), ""
        )
        self._items = [item for item in module.items[1:] if isinstance(item, Group)]
        imported = [item for item in self._items if _imports_memory(item)]
        own = [item for item in self._items if item.head == "memory"]
        self.memories = imported + own

    @property
    def are_all_that_is_shared(self) -> bool:
        """Functions share nothing but memories, so each may run where the one is that it uses."""
        return all(item.head in APART or _imports_memory(item) for item in self._items) and not any(
            SHARING.search(SILENT.sub(" ", self._whole(item))) for item in self._items
        )

    def texts(self) -> Iterator[str]:
        """The texts, if there are several memories; those alone that stand for the module if others are not there."""
        if len(self.memories) > 1:
            for number in range(len(self.memories)):
                if self.are_all_that_is_shared or not any(self._writes_elsewhere(one, number) for one in self._items):
                    shown = [self._shown(item, number) for item in self._items]
                    yield f"(module {self._name} {' '.join(shown)})"

    def _writes_elsewhere(self, item: Group, kept: int) -> bool:
        """A data segment of a memory that is imported, and so seen by others, and left out."""
        if item.head != "data" or not any(isinstance(one, Group) for one in item.items):
            return False
        target = next((one for one in item.items if isinstance(one, Group) and one.head == "memory"), None)
        return any(
            number != kept
            and (number == 0 if target is None else self._is(target, number))
            and (
                _imports_memory(memory) or any(isinstance(one, Group) and one.head == "import" for one in memory.items)
            )
            for number, memory in enumerate(self.memories)
        )

    def _whole(self, item: Group) -> str:
        return self._text[item.start : item.end]

    def _shown(self, item: Group, kept: int) -> str:
        """A field of the module in which only this memory is left."""
        whole = self._whole(item)
        if any(item is one for one in self.memories):
            return whole if item is self.memories[kept] else ""
        match item.head:
            case "data":
                return self._data(item, whole, kept)
            case "export":
                what = item.items[-1]
                if isinstance(what, Group) and what.head == "memory":
                    return re.sub(r"\(memory\s+\S+?\s*\)", "(memory 0)", whole) if self._is(what, kept) else ""
                return whole
            case "func":
                return self._function(whole, kept)
            case _:
                return whole

    def _is(self, named: Group, kept: int) -> bool:
        """The list names the memory that is left."""
        word = named.items[1] if len(named.items) > 1 else None
        return isinstance(word, Word) and self._means(word.text, kept)

    def _means(self, word: str, kept: int) -> bool:
        return word == str(kept) or (word.startswith("$") and word == _name(self.memories[kept]))

    def _data(self, item: Group, whole: str, kept: int) -> str:
        """A data segment of the memory that is left, or a passive one; an empty one for others."""
        parts = [one for one in item.items if isinstance(one, Group)]
        target = next((one for one in parts if one.head == "memory"), None)
        if not parts:
            return whole
        if target is None:
            return whole if kept == 0 else self._emptied(item)
        if not self._is(target, kept):
            return self._emptied(item)
        return whole.replace(self._whole(target), "", 1)

    def _emptied(self, item: Group) -> str:
        name = item.items[1] if len(item.items) > 1 else None
        return f"(data {name.text})" if isinstance(name, Word) and name.text.startswith("$") else "(data)"

    def _function(self, whole: str, kept: int) -> str:
        """A function that uses the memory that is left and no other one; its signature alone if it uses others."""
        pieces: list[str] = []
        position = 0
        code = SILENT.sub(lambda silent: " " * len(silent[0]), whole)
        for access in ACCESS.finditer(code):
            named: list[str] = []
            end = access.end()
            while len(named) < 2 and (following := NAMES.match(code, end)):
                named.append(following[1])
                end = following.end()
            segments = 1 if access.group() == "memory.init" else 0
            memories = named[: len(named) - segments]
            expected = NAMES_OF.get(access.group(), 1)
            if not memories:
                memories, expected = ["0"], 1
            if len(memories) != expected or not all(self._means(one, kept) for one in memories):
                return self._unusable(whole)
            pieces += [
                whole[position : access.end()],
                " ",
                " ".join(named[len(named) - segments :] if segments else []),
            ]
            position = end
        return "".join(pieces) + whole[position:]

    def _unusable(self, whole: str) -> str:
        return f"{whole[:-1]} {UNUSABLE})"
