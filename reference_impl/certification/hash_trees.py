"""
Hash trees that a subnet makes of its state, of which it shows some paths. Source: certification, certificate.

Content is a value, or content under labels. A part of which nothing is shown is there by its hash alone.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from spec.values.identifiers import Blob

Content = Blob | Mapping[Blob, "Content"]
Path = tuple[Blob, ...]
Item = list[Any]
"""A tree in the form in which CBOR holds it: the number of its kind, and its parts."""

NOTHING, FORK, LABELED, LEAF, PRUNED = range(5)
NAMES: Final = (b"ic-hashtree-empty", b"ic-hashtree-fork", b"ic-hashtree-labeled", b"ic-hashtree-leaf")
SEPARATORS: Final = tuple(bytes((len(name),)) + name for name in NAMES)
"""What stands before the parts that are hashed, by kind."""


def shown(content: Content, paths: Iterable[Path]) -> Item:
    """The tree of some content that shows what is at each path and hides what is beside it."""
    return _shown(content, tuple(paths))


def _shown(content: Content, paths: Sequence[Path]) -> Item:
    if isinstance(content, bytes):
        return [LEAF, content]
    return _joined([_labeled(label, content[label], paths) for label in sorted(content)])


def _labeled(label: Blob, content: Content, paths: Sequence[Path]) -> Item:
    inside = [path[1:] for path in paths if path[:1] == (label,)]
    item: Item = [LABELED, label, _shown(content, inside)]
    return item if inside else [PRUNED, hash_of(item)]


def _joined(items: Sequence[Item]) -> Item:
    """One tree of several that stand side by side. Hidden neighbours hide together."""
    if not items:
        return [NOTHING]
    if len(items) == 1:
        return items[0]
    half = len(items) // 2
    left, right = _joined(items[:half]), _joined(items[half:])
    fork: Item = [FORK, left, right]
    return [PRUNED, hash_of(fork)] if left[0] == right[0] == PRUNED else fork


def hash_of(item: Item) -> Blob:
    """The hash of a tree; what is hidden does not change it."""
    kind, *parts = item
    if kind == PRUNED:
        return bytes(parts[0])
    hashed = [part if isinstance(part, bytes) else hash_of(part) for part in parts]
    return hashlib.sha256(SEPARATORS[kind] + b"".join(hashed)).digest()
