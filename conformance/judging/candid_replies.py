"""
Replies that say the same in Candid.

The interface specification says what values the management canister replies, not how they are encoded: type tables may
be laid out in any way, records may have further fields, and what is a set may be listed in any order. Checklist:
`unspec.order.sets`, `unspec.fn.candid-decoding`.
"""

import struct
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from spec.reads.management_query import follows
from spec.values.candid import (
    CandidError,
    CandidType,
    CandidValue,
    Case,
    Definitions,
    Message,
    Opt,
    Primitive,
    Record,
    Some,
    Variant,
    Vec,
    field_id,
    read_as_sent,
    resolved,
)
from spec.values.identifiers import Blob
from spec.values.management import CanisterIdRange

SETS: Final = frozenset(field_id(name) for name in ("controllers", "environment_variables", "allowed_viewers"))
"""Fields and cases whose vectors have no order. Source: management-canister, `definite_canister_settings`."""

ELEMENTS_OF_SETS: Final = (
    frozenset({field_id("hash")}),
    frozenset({field_id("id"), field_id("taken_at_timestamp"), field_id("total_size")}),
)
"""
Fields of the elements of vectors without an order: stored chunks, snapshots.

Source: management-canister, `stored_chunks_result` and `list_canister_snapshots_result`.
"""

START, END = field_id("start"), field_id("end")
"""
Fields of a range of canister ids. The text does not say how few ranges there are of a set of ids, nor their order.

Source: management-canister, `list_canisters_result`.
"""

VERSIONS: Final = frozenset(field_id(name) for name in ("version", "canister_version"))
"""
Fields that tell the version of a canister, now or at a change, which may have risen further than it had to.

Checklist: `unspec.spont.version`.
"""

STATISTICS: Final = frozenset(
    field_id(name)
    for name in (
        "num_calls_total",
        "num_instructions_total",
        "request_payload_bytes_total",
        "response_payload_bytes_total",
    )
)
"""Fields that count queries, of which any may be missed. Checklist: `unspec.fn.query-stats-noise`."""

COUNTED: Final = frozenset(
    field_id(name)
    for name in (
        "total_num_changes",
        "compute_allocation",
        "memory_allocation",
        "freezing_threshold",
        "wasm_memory_threshold",
        "minimum_incoming_canister_call_cycles",
    )
)
"""
Fields whose numbers depend on no price or size: they count whatever it costs.

Source: management-canister, `canister_settings` (with what each is by default) and `canister_info`.
"""

READY: Final = field_id("ready_for_migration")
"""True of a canister that has stopped, if so it pleases. Checklist: `unspec.value.ready-for-migration`."""

STATUS, STOPPED = field_id("status"), field_id("stopped")

INTEGERS: Final = frozenset(Primitive) - {
    Primitive.NULL,
    Primitive.BOOL,
    Primitive.FLOAT32,
    Primitive.FLOAT64,
    Primitive.TEXT,
    Primitive.RESERVED,
    Primitive.EMPTY,
    Primitive.PRINCIPAL,
}


def say_the_same(allowed: Blob, seen: Blob, numbers_count: bool = True, versions_rise: bool = True) -> bool:
    """
    Whoever expects the types of the allowed reply reads the same values from the one that was seen.

    False if one of them is not Candid. Integers may differ unless they count, but for those of some fields. Versions
    may be higher if they rise unseen.
    """
    one, other = read_as_sent(allowed), read_as_sent(seen)
    if isinstance(one, CandidError) or isinstance(other, CandidError):
        return False
    comparison = _Comparison(one, other, numbers_count, versions_rise)
    return comparison.sequences(one.types, one.values, other.types, other.values)


def has_stopped(status: dict[int, CandidValue]) -> bool:
    """The status record is of a canister that has stopped."""
    told = status.get(STATUS)
    return isinstance(told, Case) and field_id(told.label) == STOPPED


def is_of_ranges(vector: Vec, definitions: Definitions) -> bool:
    """The elements are ranges of canister ids."""
    element = resolved(vector.element, definitions)
    fields = element.fields if isinstance(element, Record) else ()
    return {field_id(name): resolved(kind, definitions) for name, kind in fields} == {
        START: Primitive.PRINCIPAL,
        END: Primitive.PRINCIPAL,
    }


def joined(ranges: Sequence[CandidValue]) -> list[CanisterIdRange]:
    """Ranges of the same ids, as few as possible, in order; those that overlap stay apart."""
    result: list[CanisterIdRange] = []
    for start, end in sorted((each[START], each[END]) for each in ranges):
        if result and follows(result[-1].end, start):
            result[-1] = CanisterIdRange(result[-1].start, end)
        else:
            result.append(CanisterIdRange(start, end))
    return result


def rise(elements: Sequence[CandidValue]) -> bool:
    """Where elements tell versions of a canister, as changes in its history do, none is lower than the one before."""
    told = [element[name] for element in elements if isinstance(element, dict) for name in VERSIONS & element.keys()]
    return told == sorted(told)


@frozen
class _Comparison:
    """What is known of the two messages whose values are compared."""

    allowed: Message
    seen: Message
    numbers_count: bool
    versions_rise: bool

    def sequences(
        self,
        types: Sequence[CandidType],
        values: Sequence[CandidValue],
        seen_types: Sequence[CandidType],
        seen_values: Sequence[CandidValue],
    ) -> bool:
        """The values that were seen begin with those that are allowed."""
        return len(values) <= len(seen_values) and all(
            self.same(*pair) for pair in zip(types, values, seen_types, seen_values, strict=False)
        )

    def same(
        self,
        allowed_type: CandidType,
        allowed: CandidValue,
        seen_type: CandidType,
        seen: CandidValue,
        label: int | None = None,
    ) -> bool:
        """A value, which is that of a field or case with this label, says the same as another."""
        allowed_type, seen_type = resolved(allowed_type, self.definitions), resolved(seen_type, self.seen_definitions)
        match allowed_type, seen_type:
            case Opt(), Opt():
                if allowed is None or seen is None:
                    return allowed is seen
                return self.same(allowed_type.content, allowed.value, seen_type.content, seen.value, label)
            case Opt(), Primitive.NULL | Primitive.RESERVED:
                return allowed is None
            case Opt(), _:
                return isinstance(allowed, Some) and self.same(
                    allowed_type.content, allowed.value, seen_type, seen, label
                )
            case Record(), Record():
                return self.records(allowed_type, allowed, seen_type, seen)
            case Variant(), Variant():
                return self.cases(allowed_type, allowed, seen_type, seen)
            case Vec(), Vec():
                return self.vectors(allowed_type, allowed, seen_type, seen, label)
            case Primitive(), Primitive() if allowed_type == seen_type and label in VERSIONS:
                return bool(seen >= allowed if self.versions_rise else seen == allowed)
            case Primitive(), Primitive() if allowed_type == seen_type and label in STATISTICS:
                return True
            case _:
                return self.leaves(allowed_type, allowed, seen_type, seen, self.numbers_count or label in COUNTED)

    def records(
        self, allowed_type: Record, allowed: dict[int, CandidValue], seen_type: Record, seen: dict[int, CandidValue]
    ) -> bool:
        """Every field says the same; one that is missing says nothing. Further fields do not matter."""
        kinds = {field_id(name): kind for name, kind in seen_type.fields}
        for name, kind in allowed_type.fields:
            known = field_id(name)
            if known not in kinds:
                if allowed[known] is not None:
                    return False
            elif known == READY and seen[known] is True and has_stopped(allowed):
                continue
            elif not self.same(kind, allowed[known], kinds[known], seen[known], known):
                return False
        return True

    def cases(self, allowed_type: Variant, allowed: Case, seen_type: Variant, seen: Case) -> bool:
        """Both are the same case, and what it holds says the same."""
        kinds = {field_id(name): kind for name, kind in allowed_type.fields}
        seen_kinds = {field_id(name): kind for name, kind in seen_type.fields}
        known = field_id(allowed.label)
        return known == field_id(seen.label) and self.same(
            kinds[known], allowed.value, seen_kinds[known], seen.value, known
        )

    def vectors(
        self,
        allowed_type: Vec,
        allowed: Sequence[CandidValue],
        seen_type: Vec,
        seen: Sequence[CandidValue],
        label: int | None,
    ) -> bool:
        """The elements say the same: one after another, or in some order if they make up a set."""
        if isinstance(allowed, bytes) or isinstance(seen, bytes):
            return bytes(allowed) == bytes(seen)
        if all(is_of_ranges(*each) for each in ((allowed_type, self.definitions), (seen_type, self.seen_definitions))):
            return joined(allowed) == joined(seen)
        if len(allowed) != len(seen) or not rise(seen):
            return False
        left = list(seen)
        for element in allowed:
            fitting = (
                index
                for index, other in enumerate(left if self.is_set(allowed_type, label) else left[:1])
                if self.same(allowed_type.element, element, seen_type.element, other)
            )
            found = next(fitting, None)
            if found is None:
                return False
            del left[found]
        return True

    def is_set(self, vector: Vec, label: int | None) -> bool:
        """The order of the elements means nothing."""
        element = resolved(vector.element, self.definitions)
        fields = frozenset(field_id(name) for name, _ in element.fields) if isinstance(element, Record) else None
        return label in SETS or fields in ELEMENTS_OF_SETS

    def leaves(
        self,
        allowed_type: CandidType,
        allowed: CandidValue,
        seen_type: CandidType,
        seen: CandidValue,
        numbers_count: bool,
    ) -> bool:
        """Values without parts are equal, and so are their types; a natural number is an integer."""
        if allowed_type != seen_type and (allowed_type, seen_type) != (Primitive.INT, Primitive.NAT):
            return False
        if allowed_type in INTEGERS and not numbers_count:
            return True
        if isinstance(allowed, float) and isinstance(seen, float):
            return struct.pack("<d", allowed) == struct.pack("<d", seen)
        return bool(allowed == seen)

    @property
    def definitions(self) -> Definitions:
        """Of the types of the allowed message."""
        return self.allowed.definitions

    @property
    def seen_definitions(self) -> Definitions:
        """Of the types of the message that was seen."""
        return self.seen.definitions
