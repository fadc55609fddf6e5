"""Implementations that answer with contents made to harm who reads them: each is right but for that."""

from collections.abc import Sequence

from attrs import evolve

from conformance.protocol.interface import Answer, Path, Query, QueryAnswer, Refused, Rejected, Replied, Values
from conformance.tests.planted.bugs import BlackBox
from spec.certification.certificate import SELF_DESCRIBING_TAG
from spec.values.identifiers import Blob, Principal, RequestId
from spec.values.leb128 import encode_unsigned
from spec.values.rejects import RejectCode

NAT, OPT, VEC, RECORD, NULL, RESERVED = b"\x7d", b"\x6e", b"\x6d", b"\x6c", b"\x7f", b"\x70"
DEEP, WIDE, MANY = 200_000, 40, 2**40
SELF = b"\x00"
"""The first type of the table."""


def candid(types: list[Blob], value: Blob, kind: Blob = SELF) -> Blob:
    """One value of a type, the first of the table if none is named."""
    return b"DIDL" + encode_unsigned(len(types)) + b"".join(types) + b"\x01" + kind + value


def following(number: int) -> Blob:
    """The type after this one in the table."""
    return encode_unsigned(number + 1)


REPLIES: dict[str, Blob] = {
    "a vector of countless nulls": candid([VEC + NULL], encode_unsigned(MANY)),
    "a vector of countless records": candid([VEC + b"\x01", RECORD + b"\x00"], encode_unsigned(MANY)),
    "a vector of countless reserved values": candid([VEC + RESERVED], encode_unsigned(MANY)),
    "an option in an option, very deep": candid(
        [*(OPT + following(number) for number in range(DEEP - 1)), OPT + NULL], b"\x01" * DEEP
    ),
    "an option of its own type, very deep": candid([OPT + SELF], b"\x01" * DEEP + b"\x00"),
    "a record that contains itself": candid([RECORD + b"\x01\x00" + SELF], b""),
    "a record of two to the fortieth parts": candid(
        [*(RECORD + b"\x02\x00" + following(at) + b"\x01" + following(at) for at in range(WIDE)), RECORD + b"\x00"],
        b"",
    ),
    "vectors of vectors of vectors": candid(
        [*(VEC + following(number) for number in range(19)), VEC + NULL], b"\x0a" * 200
    ),
    "a number of many digits": candid([], b"\xff" * 50_000 + b"\x01", NAT),
    "countless types": b"DIDL" + encode_unsigned(2**60),
    "countless values": b"DIDL\x00" + encode_unsigned(2**60),
}  # fmt: skip
"""What is answered where a management method replies."""

MAP = b"\xa2\x64tree"

CERTIFICATES: dict[str, Blob] = {
    "many beginnings of a certificate": SELF_DESCRIBING_TAG * 600_000,
    "many certificates": (SELF_DESCRIBING_TAG + b"\xa0") * 400_000,
    "arrays in arrays": SELF_DESCRIBING_TAG + b"\x81" * 1_000_000 + b"\x00",
    "trees in trees": SELF_DESCRIBING_TAG + MAP + b"\x83\x01" * 500 + b"\x00" * 1_000,
    "maps in maps": SELF_DESCRIBING_TAG + MAP * 100_000,
    "an array of countless elements": SELF_DESCRIBING_TAG + MAP + b"\x9b\x00\x00\x00" + b"\xff" * 5,
    "a map of countless entries": SELF_DESCRIBING_TAG + b"\xbb\x00\x00\x00" + b"\xff" * 5,
    "a blob of countless bytes": SELF_DESCRIBING_TAG + MAP + b"\x5b\x7f" + b"\xff" * 7,
    "nothing": b"",
}
"""What is answered where a query tells its certificate."""


class RepliesHarmfully(BlackBox):
    """Where a management method replies, the reply is this one."""

    def __init__(self, reply: Blob) -> None:
        super().__init__()
        self.reply = reply

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        return Replied(self.reply) if isinstance(answer, Replied) else answer


class CertifiesHarmfully(RepliesHarmfully):
    """Where a query replies, the reply is this one."""

    def answer(self, request_id: RequestId) -> Answer:
        return BlackBox.answer(self, request_id)

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        return Replied(self.reply) if isinstance(answer, Replied) else answer


class RejectsAtLength(BlackBox):
    """The text of a reject is endless, of characters that change how a terminal writes."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        match answer:
            case Rejected(reject):
                words = "\u202e\x1b[2J" * 1_000_000
                return Rejected(evolve(reject, code=int(RejectCode.CANISTER_ERROR), message=words))
            case _:
                return answer


class ReadsTooMuch(BlackBox):
    """Where one value is read, there are three, and each is large."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        return Values(3 * tuple(b"\xff" * 1_000_000 for _ in paths)) if isinstance(read, Values) else read
