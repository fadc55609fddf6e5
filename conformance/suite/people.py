"""The users of scenarios."""

from collections.abc import Mapping
from typing import Final

from conformance.protocol.users import key_pair
from spec.values.identifiers import ANONYMOUS, Principal, Text


def user(name: Text) -> Principal:
    """The principal of a user: that of a key which is made from the name."""
    return key_pair(name).principal


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
