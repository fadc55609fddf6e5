"""
Look-ups in the hash trees of others: what is at a path, that nothing is there, or that the tree does not tell.

Source: certification, lookup. A tree is the item of CBOR that encodes it; `certificates.tree_of` reads it before, and
says whether it is well-formed.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import frozen

from reference_impl.authentication.cbor import Item
from spec.values.identifiers import Blob


@frozen
class Found:
    """What is at the path."""

    tree: Item

    @property
    def value(self) -> Blob | None:
        """The value of a leaf."""
        match self.tree:
            case [3, bytes(value)]:
                return value
        return None


class Missing(Enum):
    """Why nothing is found."""

    ABSENT = "nothing is there"
    UNKNOWN = "the tree does not tell"


def looked_up(tree: Item, path: Sequence[Blob]) -> Found | Missing:
    """What a well-formed tree says of a path."""
    for label in path:
        below = _under(tree, label)
        if isinstance(below, Missing):
            return below
        tree = below.tree
    return Found(tree)


def _under(tree: Item, label: Blob) -> Found | Missing:
    """What is under a label. Between two labels that are next to each other, and before the first, there is none."""
    does_end_here = True
    for part in _parts(tree):
        match part:
            case [2, bytes(name), below]:
                if name == label:
                    return Found(below)
                if name > label:
                    break
                does_end_here = True
            case [4, _]:
                does_end_here = False
    return Missing.ABSENT if does_end_here else Missing.UNKNOWN


def _parts(tree: Item) -> Iterator[Item]:
    """What is side by side in a tree, from left to right."""
    match tree:
        case [0]:
            return
        case [1, left, right]:
            yield from _parts(left)
            yield from _parts(right)
        case _:
            yield tree
