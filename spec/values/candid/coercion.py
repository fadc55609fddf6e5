"""From values of the sender's types to values of the types that the receiver expects. Source: Candid, "Coercion"."""

from attrs import field, frozen

from spec.values.candid.contents import CandidValue, Case, Some
from spec.values.candid.types import (
    BLOB,
    CandidType,
    Definitions,
    Fields,
    Func,
    Opt,
    Primitive,
    Record,
    Service,
    Variant,
    Vec,
    check_nesting,
    field_id,
    is_subtype,
    null_is_subtype_of,
    resolved,
)


class DoesNotFit(Exception):
    """A value does not coerce. Inside an option that makes the option empty."""


@frozen
class Coercion:
    """Coerces values, given what the types of both sides are defined as."""

    definitions: Definitions
    compared: dict[tuple[CandidType, CandidType], bool] = field(factory=dict)
    """Which pairs of types of references were found to be subtypes."""

    def value(self, value: CandidValue, actual: CandidType, expected: CandidType, depth: int) -> CandidValue:
        """The value at the expected type. Raises `DoesNotFit`."""
        check_nesting(depth)
        actual, expected = resolved(actual, self.definitions), resolved(expected, self.definitions)
        match actual, expected:
            case _, Primitive.RESERVED:
                return None
            case _, Opt():
                return self.option(value, actual, expected, depth + 1)
            case Primitive.NAT, Primitive.INT:
                return value
            case Service(), Primitive.PRINCIPAL:
                return value.principal
            case Primitive(), Primitive() if actual == expected:
                return value
            case Vec(), Vec():
                return self.vector(value, actual, expected, depth + 1)
            case Record(), Record():
                return self.record(value, actual.fields, expected.fields, depth + 1)
            case Variant(), Variant():
                return self.case(value, actual, expected, depth + 1)
            case (Func(), Func()) | (Service(), Service()):
                if self.is_subtype(actual, expected):
                    return value
        raise DoesNotFit(f"{_describe(actual)} where {_describe(expected)} is expected")

    def is_subtype(self, actual: CandidType, expected: CandidType) -> bool:
        if (actual, expected) not in self.compared:
            self.compared[actual, expected] = is_subtype(actual, expected, self.definitions)
        return self.compared[actual, expected]

    def option(self, value: CandidValue, actual: CandidType, expected: Opt, depth: int) -> Some | None:
        try:
            if isinstance(actual, Opt):
                return None if value is None else Some(self.value(value.value, actual.content, expected.content, depth))
            if null_is_subtype_of(actual, self.definitions):
                return None
            return Some(self.value(value, actual, expected.content, depth))
        except DoesNotFit:
            return None

    def vector(self, value: CandidValue, actual: Vec, expected: Vec, depth: int) -> CandidValue:
        if actual == expected == BLOB:
            return value
        elements = [self.value(element, actual.element, expected.element, depth) for element in value]
        return bytes(elements) if expected == BLOB else tuple(elements)

    def record(self, value: CandidValue, actual: Fields, expected: Fields, depth: int) -> dict[str | int, CandidValue]:
        given = {field_id(label): content for label, content in actual}
        read: dict[str | int, CandidValue] = {}
        for label, content in expected:
            known = field_id(label)
            if known in given:
                read[label] = self.value(value[known], given[known], content, depth)
            elif null_is_subtype_of(content, self.definitions):
                read[label] = None
            else:
                raise DoesNotFit(f"the field {label} is missing")
        return read

    def case(self, value: Case, actual: Variant, expected: Variant, depth: int) -> Case:
        given = dict(actual.fields)[value.label]
        for label, content in expected.fields:
            if field_id(label) == value.label:
                return Case(label, self.value(value.value, given, content, depth))
        raise DoesNotFit(f"a variant has the unexpected case {value.label}")


def _describe(candid_type: CandidType) -> str:
    return candid_type.name.lower() if isinstance(candid_type, Primitive) else type(candid_type).__name__.lower()
