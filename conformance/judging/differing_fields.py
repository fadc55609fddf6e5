"""Where two states differ, field by field, in words."""

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from conformance.judging.candid_text import shown_principal
from conformance.protocol.quoting import shown
from spec.values.identifiers import Text
from spec.values.quantities import Count

MOST_FIELDS: Final[Count] = 4
"""So many fields that differ are told."""

DIGEST: Final = " bytes with SHA-256 "
"""So a blob is told that is long. See `spec.state.dump`."""

NOT_THERE: Final = "not there"

CANISTER: Final = re.compile(r"^canisters\[0x((?:[0-9a-f]{2})*)\]")


@frozen
class DifferingField:
    """A place where two states have different values."""

    place: Text
    allowed: Text
    seen: Text

    @property
    def is_digest(self) -> bool:
        """Only lengths and digests are told, of a part that is long."""
        return DIGEST in self.allowed or DIGEST in self.seen


def differing_fields(allowed: Mapping[Text, Text], seen: Mapping[Text, Text]) -> list[DifferingField]:
    """The places where two states differ, what canisters have first."""
    places = sorted({*allowed, *seen}, key=lambda place: (not place.startswith("canisters["), place))
    return [
        DifferingField(_readable(place), allowed.get(place, NOT_THERE), shown(seen.get(place, NOT_THERE)))
        for place in places
        if allowed.get(place) != seen.get(place)
    ]


def _readable(place: Text) -> Text:
    """The place with the canister's id as users write it."""
    return shown(CANISTER.sub(lambda found: f"canister {shown_principal(bytes.fromhex(found[1]))}", place))
