"""
Hash trees that a subnet makes of its state, of which it shows some parts. Source: certification, certificate.

A tree never changes: one with other content shares with it all that stayed. Labels stand in a trie of their bits, whose
order is that of the labels, so a change hashes again only what lies above it. What is not shown is there by its hash.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Union

from spec.values.identifiers import Blob

Content = Blob | Mapping[Blob, "Content"]
Path = tuple[Blob, ...]
Item = list[Any]
"""A tree in the form in which CBOR holds it: the number of its kind, and its parts."""

NOTHING, FORK, LABELED, LEAF, PRUNED = range(5)
NAMES: Final = (b"ic-hashtree-empty", b"ic-hashtree-fork", b"ic-hashtree-labeled", b"ic-hashtree-leaf")
SEPARATORS: Final = tuple(bytes((len(name),)) + name for name in NAMES)
"""What stands before the parts that are hashed, by kind."""
BITS: Final = 9
"""A byte of a label has one bit that says that it is there, and eight more. So a label precedes its extensions."""


def _hashed(kind: int, *parts: Blob) -> Blob:
    return hashlib.sha256(SEPARATORS[kind] + b"".join(parts)).digest()


class Leaf:
    """A value."""

    __slots__ = ("hash", "value")
    hash: Blob

    def __init__(self, value: Blob) -> None:
        self.value = value
        self.hash = _hashed(LEAF, value)


class _Labeled:
    """A tree under a label, which is the first and the last one of this part."""

    __slots__ = ("first", "hash", "label", "last", "tree")
    first: Blob
    last: Blob
    hash: Blob

    def __init__(self, label: Blob, tree: "Tree") -> None:
        self.label = self.first = self.last = label
        self.tree = tree
        self.hash = _hashed(LABELED, label, tree.hash)


class _Fork:
    """Labels that differ first at a bit: on the left those without it, on the right those that have it."""

    __slots__ = ("bit", "first", "hash", "last", "left", "right")
    first: Blob
    last: Blob
    hash: Blob

    def __init__(self, bit: int, left: "_Node", right: "_Node") -> None:
        self.bit, self.left, self.right = bit, left, right
        self.first, self.last = left.first, right.last
        self.hash = _hashed(FORK, left.hash, right.hash)


_Node = _Labeled | _Fork


class Branches:
    """Trees under labels."""

    __slots__ = ("hash", "root")
    hash: Blob

    def __init__(self, root: _Node | None = None) -> None:
        self.root = root
        self.hash = _hashed(NOTHING) if root is None else root.hash

    @classmethod
    def of(cls, trees: Mapping[Blob, "Tree"]) -> "Branches":
        """These trees under their labels. That each fork is made once saves time where there are many."""
        in_order = [_Labeled(label, trees[label]) for label in sorted(trees)]
        return cls(_joined(in_order, 0, len(in_order)) if in_order else None)

    def get(self, label: Blob) -> Union["Tree", None]:
        """The tree under a label, if there is one."""
        if self.root is None:
            return None
        near = _near(self.root, label)
        return near.tree if near.label == label else None

    def set(self, label: Blob, tree: "Tree") -> "Branches":
        """The same with this tree under the label."""
        new = _Labeled(label, tree)
        if self.root is None:
            return Branches(new)
        return Branches(_with(self.root, new, _first_difference(_near(self.root, label).label, label)))

    def without(self, label: Blob) -> "Branches":
        """The same with nothing under the label."""
        return self if self.get(label) is None else Branches(_without(self.root, label))

    def labels(self) -> list[Blob]:
        """All labels in order."""
        return [one.label for one in _in_order(self.root)]


Tree = Leaf | Branches


def _has(label: Blob, bit: int) -> bool:
    index, within = divmod(bit, BITS)
    if index >= len(label):
        return False
    return within == 0 or bool(label[index] >> (BITS - 1 - within) & 1)


def _first_difference(one: Blob, other: Blob) -> int | None:
    """The first bit in which two labels differ; None if they are equal."""
    if one == other:
        return None
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index * BITS + BITS - (a ^ b).bit_length()
    return min(len(one), len(other)) * BITS


def _joined(in_order: Sequence[_Labeled], start: int, end: int) -> _Node:
    """The trie of some labels, of which there is at least one."""
    if end - start == 1:
        return in_order[start]
    bit = _first_difference(in_order[start].label, in_order[end - 1].label)
    assert bit is not None, "no label is there twice"
    middle = bisect_left(in_order, True, start, end, key=lambda one: _has(one.label, bit))
    return _Fork(bit, _joined(in_order, start, middle), _joined(in_order, middle, end))


def _near(node: _Node, label: Blob) -> _Labeled:
    """The label itself if it is there, else one that shares with it as much as any."""
    while isinstance(node, _Fork):
        node = node.right if _has(label, node.bit) else node.left
    return node


def _with(node: _Node, new: _Labeled, bit: int | None) -> _Node:
    """The trie with one more label, which differs first at this bit; or, without a bit, with another tree under it."""
    if isinstance(node, _Fork) and (bit is None or node.bit < bit):
        if _has(new.label, node.bit):
            return _Fork(node.bit, node.left, _with(node.right, new, bit))
        return _Fork(node.bit, _with(node.left, new, bit), node.right)
    if bit is None:
        return new
    return _Fork(bit, node, new) if _has(new.label, bit) else _Fork(bit, new, node)


def _without(node: _Node | None, label: Blob) -> _Node | None:
    if not isinstance(node, _Fork):
        return None
    if _has(label, node.bit):
        rest = _without(node.right, label)
        return node.left if rest is None else _Fork(node.bit, node.left, rest)
    rest = _without(node.left, label)
    return node.right if rest is None else _Fork(node.bit, rest, node.right)


def _in_order(node: _Node | None) -> Iterator[_Labeled]:
    if isinstance(node, _Fork):
        yield from _in_order(node.left)
        yield from _in_order(node.right)
    elif node is not None:
        yield node


def tree_of(content: Content) -> Tree:
    """The tree of some content: a value, or content under labels."""
    if isinstance(content, bytes):
        return Leaf(content)
    return Branches.of({label: tree_of(below) for label, below in content.items()})


# What is shown


def shown(tree: Tree, paths: Iterable[Path]) -> Item:
    """
    The tree with all that is at the paths and below them, the rest hidden.

    Where there is nothing at a path, the labels beside it are shown, which proves that.
    """
    return _shown(tree, tuple(paths))


def _shown(tree: Tree, paths: Sequence[Path]) -> Item:
    if isinstance(tree, Leaf):
        return [LEAF, tree.value]
    if tree.root is None:
        return [NOTHING]
    if () in paths:
        return _everything(tree.root)
    below: dict[Blob, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    beside = {label for one in below for label in _proof(tree.root, one)}
    return _parts(tree.root, below, sorted(beside))


def _everything(node: _Node) -> Item:
    if isinstance(node, _Fork):
        return [FORK, _everything(node.left), _everything(node.right)]
    return [LABELED, node.label, _shown(node.tree, ((),))]


def _proof(root: _Node, label: Blob) -> list[Blob]:
    """The labels that show what is under a label: itself, or else its neighbours on both sides."""
    return sorted({label} if _near(root, label).label == label else {*_before(root, label), *_after(root, label)})


def _before(node: _Node, label: Blob) -> list[Blob]:
    """The last label before this one, if there is any."""
    while isinstance(node, _Fork):
        node = node.right if node.right.first < label else node.left
    return [node.label] if node.label < label else []


def _after(node: _Node, label: Blob) -> list[Blob]:
    """The first label after this one, if there is any."""
    while isinstance(node, _Fork):
        node = node.left if node.left.last > label else node.right
    return [node.label] if node.label > label else []


def _parts(node: _Node, below: Mapping[Blob, Sequence[Path]], labels: Sequence[Blob]) -> Item:
    """What is under the labels, and the labels themselves; neighbours that are hidden hide together."""
    place = bisect_left(labels, node.first)
    if place == len(labels) or labels[place] > node.last:
        return [PRUNED, node.hash]
    if isinstance(node, _Fork):
        return [FORK, _parts(node.left, below, labels), _parts(node.right, below, labels)]
    inside = below.get(node.label)
    return [LABELED, node.label, _shown(node.tree, inside) if inside else [PRUNED, node.tree.hash]]


def hash_of(item: Item) -> Blob:
    """The hash of a tree; what is hidden does not change it."""
    kind, *parts = item
    if kind == PRUNED:
        return bytes(parts[0])
    return _hashed(kind, *(part if isinstance(part, bytes) else hash_of(part) for part in parts))
