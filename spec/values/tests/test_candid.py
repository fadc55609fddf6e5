"""Candid: messages written by hand byte by byte, and what they mean."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from spec.values.candid import (
    BLOB,
    CandidError,
    Case,
    Defined,
    Func,
    FunctionAnnotation,
    FunctionReference,
    Opt,
    Primitive,
    Record,
    Service,
    ServiceReference,
    Some,
    Variant,
    Vec,
    decode,
    encode,
    field_id,
    is_subtype,
    read_as_sent,
)
from spec.values.candid.decoding import KEPT_LENGTHS, KEPT_OF_A_LENGTH, KNOWN_TYPES
from spec.values.identifiers import Principal

NULL, BOOL, NAT, INT, TEXT = Primitive.NULL, Primitive.BOOL, Primitive.NAT, Primitive.INT, Primitive.TEXT
RESERVED, EMPTY, PRINCIPAL = Primitive.RESERVED, Primitive.EMPTY, Primitive.PRINCIPAL
CANISTER = Principal(bytes.fromhex("00000000000000010101"))

ENDLESS_OPTION = {"option": Opt(Defined("option"))}
NUMBERS = {"list": Opt(Record({"head": INT, "tail": Defined("list")}))}


def message(table: str, types: str, values: str = "") -> bytes:
    """A message from the hexadecimal form of its three parts."""
    return b"DIDL" + bytes.fromhex(table + types + values)


def one(candid_type, blob, definitions=None):
    """The only value of a message; the test fails if it does not decode."""
    decoded = decode((candid_type,), blob, definitions)
    assert not isinstance(decoded, CandidError), decoded.because
    return decoded[0]


def refused(types, blob, definitions=None) -> str:
    """Why a message does not decode; the test fails if it does."""
    decoded = decode(types, blob, definitions)
    assert isinstance(decoded, CandidError), decoded
    return decoded.because


# Field ids


def test_the_id_of_a_field_is_the_hash_of_its_name():
    assert field_id("id") == 105 * 223 + 100
    assert field_id("") == 0
    assert field_id(17) == 17
    assert field_id("canister_id") == sum(b * 223 ** (10 - i) for i, b in enumerate(b"canister_id")) % 2**32


def test_fields_with_equal_ids_are_refused():
    with pytest.raises(ValueError, match="differ"):
        Record([("id", NAT), (field_id("id"), NAT)])


# Bytes of each type


@pytest.mark.parametrize(
    ("candid_type", "value", "expected"),
    [
        (NULL, None, message("00", "017f")),
        (BOOL, True, message("00", "017e", "01")),
        (NAT, 300, message("00", "017d", "ac02")),
        (INT, -65, message("00", "017c", "bf7f")),
        (Primitive.NAT16, 0x1234, message("00", "017a", "3412")),
        (Primitive.INT32, -2, message("00", "0175", "feffffff")),
        (Primitive.NAT64, 2**64 - 1, message("00", "0178", "ff" * 8)),
        (Primitive.FLOAT32, 1.5, message("00", "0173", "0000c03f")),
        (Primitive.FLOAT64, -2.0, message("00", "0172", "00000000000000c0")),
        (TEXT, "é", message("00", "0171", "02c3a9")),
        (RESERVED, None, message("00", "0170")),
        (PRINCIPAL, Principal(b"\x01\x02"), message("00", "0168", "01020102")),
        (Opt(NAT), None, message("016e7d", "0100", "00")),
        (Opt(NAT), Some(5), message("016e7d", "0100", "0105")),
        (Vec(BOOL), (True, False), message("016d7e", "0100", "020100")),
        (BLOB, b"\x07\x08", message("016d7b", "0100", "020708")),
        (Record({1: NAT, 0: TEXT}), {0: "a", 1: 2}, message("016c02" + "0071" + "017d", "0100", "016102")),
        (Variant({0: NAT, 5: NULL}), Case(5), message("016b02" + "007d" + "057f", "0100", "01")),
        (
            Func((NAT,), (TEXT,), frozenset({FunctionAnnotation.QUERY})),
            FunctionReference(Principal(b"\x09"), "go"),
            message("016a" + "017d" + "0171" + "0101", "0100", "01" + "010109" + "02676f"),
        ),
        (
            Service((("go", Func()),)),
            ServiceReference(Principal(b"\x09")),
            message("0269" + "01" + "02676f" + "01" + "6a000000", "0100", "010109"),
        ),
    ],
)
def test_each_type_has_its_bytes(candid_type, value, expected):
    assert encode((candid_type,), (value,)) == expected
    assert one(candid_type, expected) == value


def test_equal_types_share_one_table_entry():
    pair = Record({0: Opt(NAT), 1: Opt(NAT)})
    assert encode((pair,), ({0: None, 1: None},))[4] == 2


def test_a_recursive_type_refers_to_its_own_entry():
    numbers = Some({"head": 1, "tail": Some({"head": 2, "tail": None})})
    blob = encode((Defined("list"),), (numbers,), NUMBERS)
    assert one(Defined("list"), blob, NUMBERS) == numbers
    assert blob[4] == 2


@pytest.mark.parametrize(
    ("candid_type", "value"),
    [
        (NAT, -1),
        (NAT, True),
        (Primitive.NAT8, 256),
        (Primitive.INT8, -129),
        (TEXT, b"bytes"),
        (EMPTY, None),
        (Opt(NAT), 5),
        (Record({"a": NAT}), {}),
        (Record({"a": NAT}), {"a": 1, "b": 2}),
        (Variant({"a": NULL}), Case("b")),
        (BLOB, (1, 2)),
    ],
)
def test_a_value_of_another_type_cannot_be_encoded(candid_type, value):
    with pytest.raises(ValueError, match="."):
        encode((candid_type,), (value,))


# Malformed messages


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "DIDL"),
        (b"DIDX\0\0", "DIDL"),
        (b"DIDL", "too early"),
        (message("00", "00", "00"), "1 bytes follow"),
        (message("00", "017e", "02"), "a bool is 2"),
        (message("00", "017d", "80"), "too early"),
        (message("00", "0171", "01ff"), "not UTF-8"),
        (message("00", "0171", "0561"), "too early"),
        (message("00", "016f"), "no values of type empty"),
        (message("00", "0100"), "neither a primitive type"),
        (message("016e05", "00"), "neither a primitive type"),
        (message("017d", "00"), "does not begin a type definition"),
        (message("0101", "00"), "does not begin a type definition"),
        (message("01" + "6c02" + "017d" + "017d", "00"), "do not increase"),
        (message("01" + "6b02" + "027d" + "017d", "00"), "do not increase"),
        (message("01" + "6c01" + "8080808010" + "7d", "00"), "too large"),
        (message("01" + "6b01" + "007f", "0100", "01"), "no case number 1"),
        (message("01" + "6e7d", "0100", "02"), "the tag of an option is 2"),
        (message("01" + "6a0000" + "0104", "00"), "annotation"),
        (message("01" + "6901" + "0161" + "7d", "00"), "not a function"),
        (message("02" + "6901" + "0161" + "01" + "6e7d", "00"), "not a function"),
        (message("02" + "6902" + "0162" + "01" + "0161" + "01" + "6a000000", "00"), "not in order"),
        (message("00", "0168", "00"), "opaque reference"),
        (message("00", "0168", "01" + "1e" + "00" * 30), "too long"),
        (message("ffffffff7f", "00"), "fewer bytes are left"),
    ],
)
def test_a_malformed_message_is_refused_whatever_is_expected(blob, reason):
    assert reason in refused((), blob)
    assert reason in refused((RESERVED,), blob)
    assert reason in refused((Opt(NAT),), blob)


def test_numbers_need_not_be_written_in_their_shortest_form():
    assert one(NAT, message("00", "017d", "8500")) == 5
    assert one(INT, message("00", "017c", "ffff7f")) == -1


# Limits


@pytest.mark.parametrize(
    "blob",
    [
        message("016d7f", "0100", "80a8d6b907"),
        message("016d70", "0100", "80a8d6b907"),
        message("02" + "6d01" + "6c00", "0100", "80a8d6b907"),
        message("02" + "6d01" + "6d7f", "0100", "03" + "ffff3f" * 3),
        message("20" + "6c02007f017f" + "".join(f"6c0200{n:02x}01{n:02x}" for n in range(31)), "011f"),
    ],
)
@pytest.mark.parametrize("expected", [(), (RESERVED,), (Opt(NAT),), (Vec(Opt(NAT)),)])
def test_messages_that_announce_billions_of_values_are_refused(blob, expected):
    assert "take no bytes" in refused(expected, blob)


def test_a_thousand_nulls_are_fine():
    assert one(Vec(Opt(NAT)), message("016d7f", "0100", "e807")) == (None,) * 1000


def test_values_nested_beyond_the_limit_are_refused():
    assert "deep" in refused((RESERVED,), message("016e00", "0100", "01" * 1000 + "00"))
    assert one(Defined("option"), message("016e00", "0100", "01" * 50 + "00"), ENDLESS_OPTION) is not None


def test_a_record_that_contains_itself_has_no_values():
    assert "deep" in refused((RESERVED,), message("016c010000", "0100"))


def test_a_huge_number_is_read_in_little_time():
    digits = "ff" * 500_000 + "01"
    start = time.monotonic()
    assert one(NAT, message("00", "017d", digits)).bit_length() == 7 * 500_000 + 1
    assert time.monotonic() - start < 10


# Reading at another type


@pytest.mark.parametrize(
    ("actual", "value", "expected", "read"),
    [
        (NAT, 5, INT, 5),
        (NAT, 5, RESERVED, None),
        (NAT, 5, Opt(NAT), Some(5)),
        (NAT, 5, Opt(INT), Some(5)),
        (NAT, 5, Opt(Opt(NAT)), Some(Some(5))),
        (NAT, 5, Opt(TEXT), None),
        (NULL, None, Opt(NAT), None),
        (RESERVED, None, Opt(NAT), None),
        (Opt(NAT), Some(5), Opt(INT), Some(5)),
        (Opt(NAT), Some(5), Opt(TEXT), None),
        (Opt(NAT), None, Opt(Opt(NAT)), None),
        (Opt(Opt(NAT)), Some(Some(5)), Opt(NAT), None),
        (Opt(Opt(NAT)), Some(Some(5)), Opt(Opt(TEXT)), Some(None)),
        (Vec(NAT), (1, 2), Vec(INT), (1, 2)),
        (Vec(NAT), (), Vec(TEXT), ()),
        (Vec(EMPTY), (), BLOB, b""),
        (BLOB, b"\x01", Vec(Opt(Primitive.NAT8)), (Some(1),)),
        (Record({"a": NAT, "b": TEXT}), {"a": 1, "b": ""}, Record({"a": INT}), {"a": 1}),
        (Record({"a": NAT}), {"a": 1}, Record({"a": NAT, "b": Opt(TEXT)}), {"a": 1, "b": None}),
        (Record({}), {}, Record({"n": NULL, "r": RESERVED}), {"n": None, "r": None}),
        (Record({"a": NAT}), {"a": 1}, Record({"a": Opt(NAT)}), {"a": Some(1)}),
        (Variant({"a": NAT, "b": TEXT}), Case("a", 1), Variant({"a": INT}), Case("a", 1)),
        (Variant({"a": NAT, "b": TEXT}), Case("b", ""), Opt(Variant({"a": INT})), None),
        (Service(()), ServiceReference(CANISTER), PRINCIPAL, CANISTER),
    ],
)
def test_a_value_is_read_at_a_supertype(actual, value, expected, read):
    assert one(expected, encode((actual,), (value,))) == read


@pytest.mark.parametrize(
    ("actual", "value", "expected"),
    [
        (INT, 5, NAT),
        (Primitive.NAT8, 5, NAT),
        (NAT, 5, Primitive.NAT8),
        (NAT, 5, NULL),
        (RESERVED, None, NULL),
        (Opt(NAT), Some(5), NAT),
        (PRINCIPAL, CANISTER, Service(())),
        (Vec(NAT), (1,), Vec(TEXT)),
        (Record({"a": NAT}), {"a": 1}, Record({"a": TEXT})),
        (Record({"a": NAT}), {"a": 1}, Record({"a": NAT, "b": NAT})),
        (Variant({"a": NAT, "b": TEXT}), Case("b", ""), Variant({"a": NAT})),
        (Service(()), ServiceReference(CANISTER), Service((("go", Func()),))),
        (Func((NAT,)), FunctionReference(CANISTER, "go"), Func()),
    ],
)
def test_a_value_is_not_read_at_an_unrelated_type(actual, value, expected):
    assert refused((expected,), encode((actual,), (value,)))


def test_further_arguments_are_ignored_and_missing_ones_are_null():
    both = encode((NAT, TEXT), (5, "x"))
    assert decode((NAT,), both) == (5,)
    assert decode((), both) == ()
    assert decode((NAT, TEXT, Opt(NAT), NULL, RESERVED), both) == (5, "x", None, None, None)
    assert "is missing" in refused((NAT, TEXT, NAT), both)


def test_a_value_of_a_future_type_is_skipped():
    future = "01" + "67" + "02aabb"
    assert decode((Opt(NAT), BOOL), message(future, "02007e", "0300616263" + "01")) == (None, True)
    assert "future" in refused((NAT, BOOL), message(future, "02007e", "0300616263" + "01"))
    assert "opaque" in refused((RESERVED,), message(future, "0100", "0001"))


# Subtypes of references

QUERY = frozenset({FunctionAnnotation.QUERY})


@pytest.mark.parametrize(
    ("actual", "expected", "holds"),
    [
        (Func((INT,), (NAT,)), Func((NAT,), (INT,)), True),
        (Func((NAT,)), Func((INT,)), False),
        (Func((), (INT,)), Func((), (NAT,)), False),
        (Func((Opt(NAT),)), Func(), True),
        (Func((NAT,)), Func(), False),
        (Func(), Func((NAT,)), True),
        (Func((), (NAT,)), Func(), True),
        (Func(), Func((), (Opt(NAT),)), True),
        (Func(), Func((), (NAT,)), False),
        (Func((), (), QUERY), Func(), False),
        (Func((), (), QUERY), Func((), (), QUERY), True),
        (Service((("a", Func()), ("b", Func()))), Service((("a", Func()),)), True),
        (Service((("a", Func()),)), Service((("b", Func()),)), False),
        (Service(()), PRINCIPAL, True),
        (PRINCIPAL, Service(()), False),
        (EMPTY, TEXT, True),
        (Variant({}), Variant({"a": NAT}), True),
        (Variant({"a": NAT}), Variant({}), False),
        (Vec(NAT), Opt(TEXT), True),
        (Record({}), Record({"a": Opt(EMPTY)}), True),
        (Record({}), Record({"a": EMPTY}), False),
    ],
)
def test_subtypes_of_types_inside_references(actual, expected, holds):
    assert is_subtype(actual, expected, {}) is holds
    carrier = encode((Func((), (actual,)),), (FunctionReference(CANISTER, "go"),))
    read = one(Opt(Func((), (expected,))), carrier)
    assert read == (Some(FunctionReference(CANISTER, "go")) if holds else None)


def test_recursive_types_are_compared_by_what_they_unfold_to():
    definitions = {
        "tree": Vec(Defined("tree")),
        "unfolded": Vec(Vec(Defined("unfolded"))),
        "texts": Vec(Record({0: TEXT, 1: Defined("texts")})),
        "richer": Vec(Record({0: TEXT, 1: Defined("richer"), 2: NAT})),
    }
    assert is_subtype(Defined("tree"), Defined("unfolded"), definitions)
    assert is_subtype(Defined("richer"), Defined("texts"), definitions)
    assert not is_subtype(Defined("texts"), Defined("richer"), definitions)


# Whatever it is


def typed_values():
    """A type and a value of it."""
    leaves = some.one_of(
        some.just((NULL, None)),
        some.booleans().map(lambda value: (BOOL, value)),
        some.integers(0, 2**80).map(lambda value: (NAT, value)),
        some.integers(-(2**80), 2**80).map(lambda value: (INT, value)),
        some.integers(0, 255).map(lambda value: (Primitive.NAT8, value)),
        some.integers(-(2**63), 2**63 - 1).map(lambda value: (Primitive.INT64, value)),
        some.floats(allow_nan=False).map(lambda value: (Primitive.FLOAT64, value)),
        some.floats(width=32, allow_nan=False).map(lambda value: (Primitive.FLOAT32, value)),
        some.text(max_size=4).map(lambda value: (TEXT, value)),
        some.binary(max_size=29).map(lambda value: (PRINCIPAL, Principal(value))),
        some.binary(max_size=6).map(lambda value: (BLOB, value)),
        some.binary(max_size=3).map(lambda value: (Service(()), ServiceReference(Principal(value)))),
    )

    def containers(inner):
        return some.one_of(
            inner.map(lambda pair: (Opt(pair[0]), Some(pair[1]))),
            inner.map(lambda pair: (Opt(pair[0]), None)),
            some.tuples(inner, some.integers(0, 3))
            .filter(lambda chosen: chosen[0][0] != Primitive.NAT8)
            .map(lambda chosen: (Vec(chosen[0][0]), (chosen[0][1],) * chosen[1])),
            some.dictionaries(some.integers(0, 9), inner, max_size=4).map(
                lambda fields: (
                    Record({label: pair[0] for label, pair in fields.items()}.items()),
                    {label: pair[1] for label, pair in fields.items()},
                )
            ),
            some.dictionaries(some.sampled_from(["ok", "err", "none", "other"]), inner, min_size=1).map(
                lambda cases: (
                    Variant({label: pair[0] for label, pair in cases.items()}),
                    Case(min(cases), cases[min(cases)][1]),
                )
            ),
        )

    return some.recursive(leaves, containers, max_leaves=8)


@settings(deadline=None)
@given(some.lists(typed_values(), max_size=4))
def test_values_survive_encoding_and_decoding(pairs):
    types, values = [pair[0] for pair in pairs], tuple(pair[1] for pair in pairs)
    assert decode(types, encode(types, values)) == values


@given(typed_values(), typed_values())
def test_a_subtype_always_decodes(actual, expected):
    candid_type, value = actual
    blob = encode((candid_type,), (value,))
    if is_subtype(candid_type, expected[0], {}):
        one(expected[0], blob)
    one(Opt(expected[0]), blob)
    assert one(RESERVED, blob) is None


@given(typed_values(), some.data())
def test_a_damaged_message_gives_a_value_or_a_reason_but_no_crash(pair, choose):
    candid_type, value = pair
    blob = bytearray(encode((candid_type,), (value,)))
    place = choose.draw(some.integers(0, len(blob) - 1))
    blob[place] = choose.draw(some.integers(0, 255))
    decoded = decode((candid_type,), bytes(blob))
    assert isinstance(decoded, tuple) or decoded.because


@given(some.binary(max_size=60).map(lambda tail: b"DIDL" + tail))
def test_any_bytes_give_a_value_or_a_reason(blob):
    decoded = decode((Opt(NAT),), blob)
    assert isinstance(decoded, tuple) or decoded.because


def test_a_message_with_types_that_were_read_before_is_read_like_the_first():
    record = Record({"number": Primitive.NAT8, "text": Primitive.TEXT})
    first, second = (encode((record,), ({"number": number, "text": "x"},)) for number in (1, 2))
    messages = [first, second, second[:-1], second[:8]]
    before = list(map(read_as_sent, messages))
    KNOWN_TYPES.clear()
    assert list(map(read_as_sent, reversed(messages))) == before[::-1]
    assert before[0] != before[1]
    assert all(isinstance(one, CandidError) for one in before[2:])


def test_the_types_of_few_messages_are_kept():
    for number in range(200):
        read_as_sent(encode((Record({f"field {number}": Primitive.NAT8}),), ({f"field {number}": 1},)))
        assert sum(map(len, KNOWN_TYPES.values())) <= KEPT_LENGTHS * KEPT_OF_A_LENGTH
        assert all(len(alike) <= KEPT_OF_A_LENGTH for alike in KNOWN_TYPES.values())
