"""
One hash of all that a directory keeps, which the subnet certifies with each checkpoint.

Pages of memories are hashed one by one, and the hashes of a mebibyte of them together, as parts of files are in the
manifest of production. These hashes, and those of all other entries, are the leaves of a hash tree. So a checkpoint
hashes the pages that were written, the parts that they are in, and what lies above these in the tree, however much
there is. Whoever brings a directory back hashes all of it.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

from reference_impl.authentication.certificates import certificate_of as read_certificate
from reference_impl.authentication.certificates import is_valid, value_at
from reference_impl.certification.hash_trees import Branches, Leaf, tree_of
from reference_impl.certification.signing import certificate_of
from reference_impl.durability.checkpoints import Aside, Changes
from reference_impl.durability.contents import PAGE
from reference_impl.durability.frames import Frame
from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.reads.state_tree import can_sign, signing
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.checklist import defines
from spec.values.identifiers import Blob
from spec.values.quantities import OS_PAGE

CERTIFIED: Final = b"H"
"""The key of what is certified of all other entries."""
KEPT_STATE: Final = b"kept_state"
"""Where the hash stands in the certificate. No path of the state tree begins so."""
HASH_SIZE: Final = 32
NO_PAGE: Final = bytes(HASH_SIZE)
"""In place of the hash of a page that is all zero."""


@defines("seed1.dirty-pages-certification")
class KeptHash:
    """Follows the entries of one directory."""

    def __init__(self) -> None:
        self._tree = Branches()
        self._parts: dict[Blob, bytearray] = {}
        """The hashes of 256 pages that follow each other, by the beginning of their keys, without zeroes at the end."""
        self._changed: set[Blob] = set()
        """The parts that are not in the tree as they are."""

    @property
    def value(self) -> Blob:
        """The hash of all entries."""
        for part in self._changed:
            self._set(part, bytes(self._parts[part]) or None)
            if not self._parts[part]:
                del self._parts[part]
        self._changed.clear()
        return self._tree.hash

    def take(self, changes: Changes) -> None:
        """These entries are others from now on, or are there no longer. Raises `StateDirectoryFault` for a bad page."""
        for key, value in changes.items():
            content = value if value is None or isinstance(value, bytes) else value.read()
            if key[:1] == PAGE:
                self.take_page(key, content)
            else:
                self._set(key, content)

    def take_page(self, key: Blob, page: Blob | None) -> None:
        """A page is another one from now on, or is there no longer."""
        # Reason: the last byte of a key counts the pages of a part.
        part, start = key[:-1], key[-1] * HASH_SIZE
        hashes = self._parts.setdefault(part, bytearray())
        self._changed.add(part)
        if len(hashes) < start:
            hashes.extend(bytes(start - len(hashes)))
        hashes[start : start + HASH_SIZE] = NO_PAGE if page is None else sha256(page).digest()
        if page is None:
            while hashes[-HASH_SIZE:] == NO_PAGE:
                del hashes[-HASH_SIZE:]

    def _set(self, key: Blob, content: Blob | None) -> None:
        tree = self._tree
        self._tree = tree.without(key) if content is None else tree.set(key, Leaf(sha256(content).digest()))


class HashedAside:
    """Pages whose places somebody else keeps are hashed on the way."""

    def __init__(self, aside: Aside, kept: KeptHash) -> None:
        self._aside = aside
        self._kept = kept

    def takes(self, key: Blob) -> bool:
        """The other one keeps where this entry is."""
        return self._aside.takes(key)

    def begin(self, path: Path) -> None:
        """What comes next is in another file, which is newer."""
        self._aside.begin(path)

    def note(self, key: Blob, frame: Frame, checksum_before: int, *, is_there: bool) -> None:
        """A page is at the end of a frame, or is there no longer."""
        self._kept.take_page(key, frame.content[-OS_PAGE:] if is_there else None)
        self._aside.note(key, frame, checksum_before, is_there=is_there)

    def end(self) -> None:
        """There are no more files."""
        self._aside.end()


def certified(instance: SubnetInstance, kept: KeptHash) -> Blob:
    """The entry with the hash of all others, and with a certificate of it if the secret of the subnet is known."""
    certificate = None
    if can_sign(instance):
        certificate = certificate_of(tree_of({KEPT_STATE: kept.value}), [()], *signing(instance))
    return encoded([kept.value, certificate])


def require_certified(entry: Blob, kept: KeptHash, root_key: Blob) -> None:
    """Raises `NoValue` if the entry was made of others than those that are kept, or is not of this subnet."""
    match decoded(entry):
        case [bytes(value), certificate] if value == kept.value:
            if certificate is not None:
                found = read_certificate(certificate)
                if value_at(found.tree, KEPT_STATE) != value or not is_valid(found, root_key):
                    raise NoValue("the certificate of what is kept is not valid")
        case _:
            raise NoValue("what is kept is not what was kept")
