"""Which ids the system gives to canisters."""

from spec.values.identifiers import ANONYMOUS, MAXIMUM_PRINCIPAL_LENGTH, Principal

ENDINGS_OF_OTHER_IDS = b"\x02\x03\x7f"
"""How ids end that stem from a key, that somebody derived, and that are nobody's."""


def is_system_assigned(canister_id: Principal) -> bool:
    """A canister may have this id: it is none of the forms that the system never gives out."""
    if not canister_id or canister_id == ANONYMOUS or len(canister_id) > MAXIMUM_PRINCIPAL_LENGTH:
        return False
    return canister_id[-1] not in ENDINGS_OF_OTHER_IDS
