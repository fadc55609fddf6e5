"""Candid as people write it: what is read, and what is wrong is told in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.tooling.candid_text import CandidTextError, message_of, read_interface, read_values
from spec.values.candid import (
    BLOB,
    Case,
    Defined,
    Func,
    FunctionAnnotation,
    FunctionReference,
    Opt,
    Primitive,
    Record,
    Some,
    Variant,
    Vec,
    decode,
    read_as_sent,
)

LEDGER = """
// A ledger, and what it keeps.
type Account = record { owner : principal; subaccount : opt blob };
type List = opt record { nat; List };
type Result = variant { Ok : nat; "not enough" : record { balance : nat64 }; Busy };
service ledger : (record { owner : principal }, opt nat) -> {
  transfer : (to : Account, amount : nat) -> (Result);
  "balance of" : (Account) -> (nat) query;
  list : (List) -> (vec record { text; int8 }) composite_query;
  notify : (func (nat) -> () oneway) -> () oneway; /* and nothing
  else */
}
"""


def test_an_interface_has_types_methods_and_what_an_installation_takes():
    interface = read_interface(LEDGER)
    assert interface.definitions["List"] == Opt(Record([(0, Primitive.NAT), (1, Defined("List"))]))
    assert interface.parameters == (Record({"owner": Primitive.PRINCIPAL}), Opt(Primitive.NAT))
    assert list(interface.methods) == ["balance of", "list", "notify", "transfer"]
    query = frozenset({FunctionAnnotation.QUERY})
    assert interface.methods["balance of"] == Func((Defined("Account"),), (Primitive.NAT,), query)
    oneway = frozenset({FunctionAnnotation.ONEWAY})
    assert interface.methods["notify"] == Func((Func((Primitive.NAT,), (), oneway),), (), oneway)


def test_values_are_read_at_the_types_of_a_method():
    interface = read_interface(LEDGER)
    transfer = interface.methods["transfer"]
    text = '(record { owner = principal "aaaaa-aa"; subaccount = opt blob "\\00a\\22" }, 1_000_000)'
    account = {"owner": b"", "subaccount": Some(b'\0a"')}
    assert read_values(text, transfer.parameters, interface.definitions) == (account, 10**6)
    listed = interface.methods["list"].parameters
    assert decode(
        listed,
        message_of("(opt record { 1; opt record { 2; null } })", listed, interface.definitions),
        interface.definitions,
    ) == (Some({0: 1, 1: Some({0: 2, 1: None})}),)
    result = read_values('(variant { "not enough" = record { balance = 7 } })', transfer.results, interface.definitions)
    assert result == (Case("not enough", {"balance": 7}),)
    assert read_values("(variant { Busy })", transfer.results, interface.definitions) == (Case("Busy", None),)


@pytest.mark.parametrize(
    ("text", "types", "values"),
    [
        ("()", (), ()),
        (
            "(1, -1, +1, 1.5, 0xff)",
            (Primitive.INT, Primitive.INT, Primitive.INT, Primitive.FLOAT64, Primitive.INT),
            (1, -1, 1, 1.5, 255),
        ),
        ("((3 : nat8), vec { (1 : nat8); (2 : nat8) })", (Primitive.NAT8, BLOB), (3, b"\1\2")),
        ('(true, null, "é\\u{e9}")', (Primitive.BOOL, Primitive.NULL, Primitive.TEXT), (True, None, "éé")),
        ("(vec { opt true })", (Vec(Opt(Primitive.BOOL)),), ((Some(True),),)),
        ("(variant { a = 1 })", (Variant({"a": Primitive.INT}),), (Case("a", 1),)),
        ('(func "aaaaa-aa".raw_rand)', (Func(),), (FunctionReference(b"", "raw_rand"),)),
    ],
)
def test_without_an_interface_values_show_their_types(text, types, values):
    message = read_as_sent(message_of(text))
    assert decode(types, message_of(text)) == values
    assert len(message.types) == len(types)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "line 1, column 1: the text ends too early"),
        ("(5", "line 1, column 2: the text ends too early"),
        ("(5,\n, 6)", "line 2, column 1: ',' is not expected here"),
        ("(x, 6)", "line 1, column 2: 'x' is not expected here"),
        ('("a)', "line 1, column 2: '\"' is not expected here"),
        ("(-5, null)", "-5 is no nat"),
        ("(1.5, null)", "1.5 is no nat"),
        ('("5", null)', "a value of the kind 'text' stands where nat is expected"),
        ("(5, null, 6)", "there are 3 values, not 2"),
        ("()", "the value 0 is missing"),
        ("(5, opt record { a = 1 })", "the field b is missing"),
        ("(5, opt record { a = 1; b = 1; c = 1 })", "there is no field c (there are: a, b)"),
        ("(5, opt record { a = 1; a = 2 })", "line 1: a field is given twice"),
        ("(5, opt record { a = 256; b = 1 })", "256 is no nat8"),
        (
            '(5, opt record { a = 1; b = principal "zz" })',
            "line 1: 'zz' is not a principal: wrong checksum, length or grouping",
        ),
        ("(" * 300, "more than 200 brackets are open at once"),
        ('("\\zz", null)', "line 1: the escape '\\\\z' is not known"),
        ('("\\ff", null)', "line 1: a text is not UTF-8"),
        ('("\\u{d800}", null)', "line 1: d800 is no Unicode scalar value"),
    ],
)
def test_what_is_wrong_with_values_is_told_in_one_line(text, because):
    types = (Primitive.NAT, Opt(Record({"a": Primitive.NAT8, "b": Primitive.NAT})))
    with pytest.raises(CandidTextError) as problem:
        read_values(text, types, {})
    assert str(problem.value) == because


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("service : { f : (nat) -> (Foo) }", "the type Foo is not defined"),
        ("type A = B; type B = A; service : {}", "the type A is defined as itself"),
        ("type A = nat; type A = text;", "the type A is defined twice"),
        ("type A = record { x : nat; x : text };", "line 1: field ids must differ and be below 2^32: ['x', 'x']"),
        ("type A = nat; service : A", "what stands after `service :` is no service"),
        ("type A = nat; service : { f : A }", "the method f is no function"),
        (
            'import "other.did"; service : {}',
            "line 1: import 'other.did': an interface that imports another is not read",
        ),
        ("service : { f : () -> }", "line 1, column 23: '}' is not expected here"),
    ],
)
def test_what_is_wrong_with_an_interface_is_told_in_one_line(text, because):
    with pytest.raises(CandidTextError) as problem:
        read_interface(text)
    assert str(problem.value) == because


@given(some.text(max_size=40))
def test_no_text_is_a_reason_for_a_traceback(text):
    for read in (read_interface, message_of):
        try:
            read(text)
        except CandidTextError as problem:
            assert "\n" not in str(problem)
