"""
Hash trees: labeled trees whose parts can be replaced by their hashes.

Source: certification, certificate and lookup.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from attrs import frozen

from spec.values.checklist import defines
from spec.values.identifiers import Blob

Label = Blob
Hash = Blob
"""A SHA-256 hash, 32 bytes."""
Path = tuple[Label, ...]


@frozen
class Empty:
    """Nothing."""


@frozen
class Fork:
    """Two trees side by side; labels on the left are less than labels on the right."""

    left: "HashTree"
    right: "HashTree"


@frozen
class Labeled:
    """A tree under a label."""

    label: Label
    tree: "HashTree"


@frozen
class Leaf:
    """A value."""

    value: Blob


@frozen
class Pruned:
    """A tree of which only the hash is known."""

    hash: Hash


HashTree = Empty | Fork | Labeled | Leaf | Pruned
"""Checklist: `cert.hash-tree`."""

EMPTY: Final = Empty()


@defines("cert.domain-separators")
@cache
def domain_separator(name: str) -> Blob:
    """The bytes that keep hashes and signatures of different kinds apart: the length in one byte, then the name."""
    return bytes([len(name)]) + name.encode()


@defines(
    "cert.reconstruct.empty",
    "cert.reconstruct.fork",
    "cert.reconstruct.labeled",
    "cert.reconstruct.leaf",
    "cert.reconstruct.pruned",
    "cert.example.full-tree",
)
def reconstruct(tree: HashTree) -> Hash:
    """The root hash of a tree. Source: certification, `reconstruct`."""
    match tree:
        case Empty():
            return _hash("ic-hashtree-empty")
        case Fork(left, right):
            return _hash("ic-hashtree-fork", reconstruct(left), reconstruct(right))
        case Labeled(label, subtree):
            return _hash("ic-hashtree-labeled", label, reconstruct(subtree))
        case Leaf(value):
            return _hash("ic-hashtree-leaf", value)
        case Pruned(known):
            return known


def _hash(kind: str, *parts: Blob) -> Hash:
    return hashlib.sha256(domain_separator(kind) + b"".join(parts)).digest()


# Building


LabeledTree = Blob | Mapping[Label, "LabeledTree"]
"""A value, or trees by their labels."""


@defines("inv.cert.tree-prefix-free", "inv.cert.well-formed")
def hash_tree(content: LabeledTree) -> HashTree:
    """The well-formed hash tree with this content. Forks are balanced, with the larger half on the left."""
    if isinstance(content, bytes):
        return Leaf(content)
    return _joined([Labeled(label, hash_tree(content[label])) for label in sorted(content)])


def _joined(trees: Sequence[HashTree]) -> HashTree:
    if len(trees) <= 1:
        return trees[0] if trees else EMPTY
    middle = (len(trees) + 1) // 2
    return Fork(_joined(trees[:middle]), _joined(trees[middle:]))


@defines("cert.well-formed", "inv.cert.well-formed")
def is_well_formed(tree: HashTree) -> bool:
    """Labels increase strictly, and leaves are not mixed with labels. Source: certification, `well_formed`."""
    if isinstance(tree, Leaf):
        return True
    forest = flatten_forks(tree)
    labels = [part.label for part in forest if isinstance(part, Labeled)]
    return (
        all(before < after for before, after in pairwise(labels))
        and all(is_well_formed(part.tree) for part in forest if isinstance(part, Labeled))
        and not any(isinstance(part, Leaf) for part in forest)
    )


# Looking up


@frozen
class Found:
    """The path has a value."""

    value: Blob


@frozen
class Absent:
    """The tree proves that the path is not in it."""


@frozen
class Unknown:
    """The path may have been pruned."""


@frozen
class NoValue:
    """The path is in the tree, but it leads to no value (`Error` in the certification chapter)."""


Lookup = Found | Absent | Unknown | NoValue


@defines(
    "cert.lookup.outcomes",
    "cert.lookup.empty-path",
    "cert.lookup.step",
    "inv.cert.pruning-sound",
    "cert.example.pruned-tree",
)
def lookup_path(path: Path, tree: HashTree) -> Lookup:
    """What a well-formed tree says of a path. Source: certification, `lookup_path`."""
    if path:
        found = _find_label(path[0], flatten_forks(tree))
        return found if isinstance(found, Absent | Unknown) else lookup_path(path[1:], found)
    match tree:
        case Leaf(value):
            return Found(value)
        case Empty():
            return Absent()
        case Pruned():
            return Unknown()
        case Labeled() | Fork():
            return NoValue()


@defines("cert.lookup.prefix")
def lookup_values(prefix: Path, tree: HashTree) -> tuple[Blob, ...]:
    """The values at all paths with a prefix, from left to right. Source: certification, `lookup*`."""
    if prefix:
        found = _find_label(prefix[0], flatten_forks(tree))
        return () if isinstance(found, Absent | Unknown) else lookup_values(prefix[1:], found)
    match tree:
        case Leaf(value):
            return (value,)
        case Labeled(_, subtree):
            return lookup_values((), subtree)
        case Fork(left, right):
            return lookup_values((), left) + lookup_values((), right)
        case Empty() | Pruned():
            return ()


@defines("cert.lookup.step")
def flatten_forks(tree: HashTree) -> list[HashTree]:
    """The trees that forks hold together, from left to right."""
    match tree:
        case Empty():
            return []
        case Fork(left, right):
            return flatten_forks(left) + flatten_forks(right)
        case _:
            return [tree]


@defines(
    "cert.lookup.find-label.found",
    "cert.lookup.find-label.absent",
    "cert.lookup.find-label.unknown",
    "cert.lookup.order",
)
def _find_label(label: Label, forest: list[HashTree]) -> HashTree | Absent | Unknown:
    """Source: certification, `find_label`."""
    if not forest or (len(forest) == 1 and isinstance(forest[0], Leaf)):
        return Absent()
    for tree in forest:
        if isinstance(tree, Labeled) and tree.label == label:
            return tree.tree
    first, last = forest[0], forest[-1]
    if isinstance(first, Labeled) and label < first.label:
        return Absent()
    if isinstance(last, Labeled) and last.label < label:
        return Absent()
    for before, after in pairwise(forest):
        if isinstance(before, Labeled) and isinstance(after, Labeled) and before.label < label < after.label:
            return Absent()
    return Unknown()


# Pruning


@defines("cert.pruning", "inv.cert.pruning-keeps-root", "inv.cert.pruning-sound")
def pruned(tree: HashTree, paths: Sequence[Path]) -> HashTree:
    """
    The smallest tree with the same root hash in which each of these paths leads to what it leads to in `tree`.

    All that is below one of the paths stays. Where a path is absent, the labels beside it stay, without their content,
    so that they prove it.
    """
    if isinstance(tree, Leaf) or any(not path for path in paths):
        return tree
    wanted: dict[Label, list[Path]] = {}
    for path in paths:
        wanted.setdefault(path[0], []).append(path[1:])
    forest = [part for part in flatten_forks(tree) if isinstance(part, Labeled)]
    labels = [part.label for part in forest]
    shown = set(wanted)
    for label in wanted:
        if label not in labels:
            shown |= set([known for known in labels if known < label][-1:])
            shown |= set([known for known in labels if known > label][:1])
    return _pruned(tree, wanted, shown)


def _pruned(tree: HashTree, wanted: Mapping[Label, Sequence[Path]], shown: set[Label]) -> HashTree:
    match tree:
        case Fork(left, right):
            parts = _pruned(left, wanted, shown), _pruned(right, wanted, shown)
            if all(isinstance(part, Pruned | Empty) for part in parts):
                return Pruned(reconstruct(Fork(*parts)))
            return Fork(*parts)
        case Labeled(label, subtree) if label in shown:
            below = wanted.get(label)
            return Labeled(label, Pruned(reconstruct(subtree)) if below is None else pruned(subtree, below))
        case Empty():
            return tree
        case _:
            return Pruned(reconstruct(tree))
