"""The users of scenarios."""

import hashlib
from collections.abc import Mapping
from typing import Final

from spec.values.identifiers import ANONYMOUS, Principal, Text


def user(name: Text) -> Principal:
    """The principal of a user: as long and as ending as those derived from a public key."""
    return Principal(hashlib.sha224(f"user {name}".encode()).digest() + b"\x02")


ALICE: Final = user("alice")
BOB: Final = user("bob")
EVE: Final = user("eve")
ADMIN: Final = user("admin")
"""The admin of the subnet, in scenarios that have one."""

USERS: Final[Mapping[Principal, Text]] = {
    ALICE: "alice",
    BOB: "bob",
    EVE: "eve",
    ADMIN: "the admin",
    ANONYMOUS: "anonymous",
}
