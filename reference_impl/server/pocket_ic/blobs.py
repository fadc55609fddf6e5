"""The blob store of a server: what clients put there, to be named by its hash later."""

import hashlib

from attrs import frozen

from spec.values.identifiers import Blob, Text


@frozen
class StoredBlob:
    """A blob as it was sent."""

    content: Blob
    encoding: Text | None
    """How it is compressed, if it is."""


class Blobs:
    """Blobs by the hexadecimal text of their SHA-256."""

    def __init__(self) -> None:
        self._stored: dict[Text, StoredBlob] = {}

    def put(self, content: Blob, encoding: Text | None) -> Text:
        """Keeps a blob; what it is named by."""
        name = hashlib.sha256(content).hexdigest()
        self._stored[name] = StoredBlob(content, encoding)
        return name

    def get(self, name: Text) -> StoredBlob | None:
        """The blob with this name, if there is one."""
        return self._stored.get(name)
