"""What is shown to people: Candid as text, principals, reject codes, values of the state tree, differences."""

import inspect

import cbor2
import pytest

from conformance.canisters.library import load
from conformance.judging.candid_text import (
    blob_difference,
    candid_differences,
    candid_text,
    names_of_interface,
    names_of_module,
)
from conformance.judging.moves import PRINCIPALS, shown_label
from conformance.judging.verdicts import Fail
from conformance.judging.wording import (
    differences,
    shown,
    shown_blob,
    shown_other,
    shown_path,
    shown_value,
    shown_values,
)
from conformance.protocol.interface import Query, QueryAnswer, Refused, Rejected, Replied, SeenReject, Values
from conformance.running.run import judge
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from spec.certification.certificate import SELF_DESCRIBING_TAG
from spec.state.label import Label
from spec.transition import RULES
from spec.values import management
from spec.values.candid import (
    BLOB,
    CandidType,
    CandidValue,
    Case,
    Func,
    FunctionReference,
    Opt,
    Primitive,
    Record,
    Service,
    ServiceReference,
    Some,
    Variant,
    Vec,
    encode,
)
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.rejects import RejectCode, RejectReason

ALPHA = Principal(b"\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01")
ALPHA_TEXT = "rrkah-fqaaa-aaaaa-aaaaq-cai"


def message(candid_type: CandidType, value: CandidValue) -> bytes:
    """A message of one value."""
    return encode((candid_type,), (value,))


# Candid as text


@pytest.mark.parametrize(
    ("candid_type", "value", "text"),
    [
        (Primitive.NAT, 1_500_000, "1_500_000"),
        (Primitive.INT, -7, "-7"),
        (Primitive.INT, 7, "+7"),
        (Primitive.NAT8, 7, "(7 : nat8)"),
        (Primitive.FLOAT64, 0.5, "(0.5 : float64)"),
        (Primitive.BOOL, True, "true"),
        (Primitive.NULL, None, "null"),
        (Primitive.TEXT, 'a "b"\n', '"a \\"b\\"\\u{a}"'),
        (Primitive.PRINCIPAL, MANAGEMENT_CANISTER, 'principal "aaaaa-aa"'),
        (Primitive.PRINCIPAL, ALPHA, f'principal "{ALPHA_TEXT}"'),
        (BLOB, b"\x00asm", 'blob "\\00asm"'),
        (Opt(Primitive.NAT), None, "null"),
        (Opt(Opt(Primitive.NAT)), Some(Some(5)), "opt opt 5"),
        (Vec(Primitive.NAT), (1, 2), "vec {1; 2}"),
        (Record({"name": Primitive.TEXT}), {"name": "x"}, 'record {name = "x"}'),
        (Record([(0, Primitive.TEXT), (1, Primitive.NAT)]), {0: "x", 1: 2}, 'record {"x"; 2}'),
        (Record([(77, Primitive.TEXT)]), {77: "x"}, 'record {77 = "x"}'),
        (Variant({"running": Primitive.NULL}), Case("running"), "variant {running}"),
        (Variant({"install": Primitive.NAT}), Case("install", 3), "variant {install = 3}"),
        (Service(), ServiceReference(ALPHA), f'service "{ALPHA_TEXT}"'),
        (Func(), FunctionReference(ALPHA, "m"), f'func "{ALPHA_TEXT}"."m"'),
    ],
)
def test_a_value_of_every_type_is_written_as_candid_writes_it(
    candid_type: CandidType, value: CandidValue, text: str
) -> None:
    """Fields of management methods have their names, others their ids."""
    assert candid_text(message(candid_type, value)) == f"({text})"


def test_arguments_of_management_methods_have_the_names_of_their_fields() -> None:
    """Fields that are null are left out."""
    argument = management.encode_arguments(
        management.ProvisionalCreateArguments(5, management.SettingsArguments(controllers=List.of(ALPHA)), None, None)
    )
    controllers = f'controllers = vec {{principal "{ALPHA_TEXT}"}}'
    assert (
        candid_text(argument)
        == f"(record {{settings = opt record {{controllers = opt {controllers[14:]}}}; amount = opt 5}})"
    )


def test_every_field_of_every_management_method_has_a_name() -> None:
    """Whatever is a field of an argument or a result."""
    argument = management.encode_arguments(management.UninstallCodeArguments(ALPHA, 3))
    assert (
        candid_text(argument)
        == f'(record {{canister_id = principal "{ALPHA_TEXT}"; sender_canister_version = opt (3 : nat64)}})'
    )
    assert set(management.ARGUMENT_TYPES) | {"raw_rand"} == management.MANAGEMENT_METHODS


def test_long_blobs_and_vectors_are_cut() -> None:
    """And their lengths are told."""
    assert candid_text(message(BLOB, b"a" * 1000)) == f'(blob "{"a" * 64}" /* 1,000 bytes */)'
    assert candid_text(message(Vec(Primitive.NAT), tuple(range(100)))) == (
        f"(vec {{{'; '.join(map(str, range(12)))}}} /* 100 items */)"
    )


def test_numbers_of_thousands_of_digits_are_not_written() -> None:
    """A message can hold them, and a difference of two of them is told."""
    one, other = message(Primitive.NAT, 10**5000), message(Primitive.NAT, 10**5000 + 1)
    assert candid_text(one) == "(/* a number of 16,610 bits */)"
    assert candid_differences(one, one) == ()
    assert len(candid_differences(one, other) or ()) == 1


def test_what_is_no_message_is_not_shown_as_one() -> None:
    """Bytes that begin like a message and do not go on like one."""
    assert candid_text(b"DIDL\x00") is None
    assert candid_text(b"hello") is None
    assert candid_text(b"DIDL\x00\x00") == "()"


def test_names_of_fields_come_from_the_interface_in_a_module() -> None:
    """A canister's own records are shown with the names of its `candid:service` section."""
    record = message(Record({"balance": Primitive.NAT, "calls_made": Primitive.NAT}), {"balance": 1, "calls_made": 2})
    assert "calls_made" not in str(candid_text(record))
    assert candid_text(record, names_of_module(load("pair"))) == "(record {balance = 1; calls_made = 2})"
    assert names_of_module(load("scripted")) == {}
    assert set(names_of_interface('type A = record { "a b" : nat }').values()) == {"type", "A", "record", "a b", "nat"}


class Misreports(SpecificationImplementation):
    """The specification, but a canister that is asked for its report says that it has made no calls."""

    capabilities = frozenset()

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        true = super().query(query, effective_id)
        if query.method_name != "report" or not isinstance(true, Replied):
            return true
        return Replied(message(REPORT, {"balance": 1, "calls_made": 77, "received": 2}))


REPORT = Record({"balance": Primitive.NAT, "calls_made": Primitive.NAT, "received": Primitive.NAT})


def test_transcripts_and_failures_name_the_fields_of_a_canisters_own_records() -> None:
    """Its module has them in its `candid:service` section."""
    chosen = next(each for each in all_scenarios() if each.id == "motoko/pair")
    case = judge(chosen, Misreports())
    assert isinstance(case.verdict, Fail)
    assert "calls_made = 77" in case.verdict.why
    assert any("calls_made is 77, not " in each for each in case.verdict.allowed)
    told = [event.text for event in case.transcript]
    assert any(text.startswith("answers send: reply (record {balance_after = ") for text in told)


# Blobs, answers, labels


def test_blobs_are_shown_as_text_where_they_are_text() -> None:
    """Long ones are cut."""
    assert shown_blob(b"hello") == "'hello'"
    assert shown_blob(b"\x00\x01") == "0x0001"
    assert shown_blob(bytes(100)).endswith("... (100 bytes)")
    assert shown_blob(management.encode_canister_id_result(ALPHA)) == (
        f'(record {{canister_id = principal "{ALPHA_TEXT}"}})'
    )


def test_reject_codes_are_shown_by_name_and_number() -> None:
    """In answers and in refusals; a code that is none by its number."""
    trapped = Rejected(SeenReject(5, RejectReason.CANISTER_TRAPPED, "text"))
    assert shown(trapped) == "reject CANISTER_ERROR (5) CANISTER_TRAPPED: 'text'"
    assert shown(Refused(3, RejectReason.CANISTER_NOT_FOUND)) == "refused DESTINATION_INVALID (3) CANISTER_NOT_FOUND"
    assert shown(Refused(42)) == "refused code 42"
    assert shown(Replied(b"DIDL\x00\x00")) == "reply ()"


def test_labels_show_principals_as_text_and_codes_by_name() -> None:
    """And bytes in hexadecimal digits."""
    label = Label("r", {"canister_id": ALPHA, "code": RejectCode.SYS_TRANSIENT, "randomness": b"\x01"})
    assert shown_label(label) == f"r(canister_id={ALPHA_TEXT}, code=SYS_TRANSIENT (2), randomness=0x01)"


def test_the_free_variables_that_are_principals_are_those_that_the_rules_type_so() -> None:
    """Whatever a rule annotates as a principal."""
    annotated = {
        name
        for rule in RULES.values()
        for name, parameter in inspect.signature(rule.body).parameters.items()
        if parameter.annotation is Principal
    }
    assert annotated == PRINCIPALS


# The state tree


def test_values_of_the_state_tree_are_shown_in_their_own_terms() -> None:
    """Numbers, principals, interfaces as text."""
    controllers = cbor2.dumps(cbor2.CBORTag(55799, [bytes(ALPHA)]))
    metadata = (b"canister", bytes(ALPHA), b"metadata", b"candid:service")
    assert shown_path(metadata) == f"/canister/{ALPHA_TEXT}/metadata/candid:service"
    assert shown_value(metadata, b"service : {\n}") == "'service : {\\n}'"
    assert shown_value((b"time",), b"\xe8\x07") == "1,000"
    assert shown_value((b"canister", bytes(ALPHA), b"controllers"), controllers) == f"[{ALPHA_TEXT}]"
    assert shown_value((b"request_status", b"i" * 32, b"reject_code"), b"\x05") == "CANISTER_ERROR (5)"
    assert shown_values(Values((None,)), [(b"time",)]) == "/time: nothing"


@pytest.mark.parametrize(
    "path", [(b"time",), (b"canister", b"", b"controllers"), (b"canister", b"", b"metadata", b"x")]
)
def test_values_that_are_not_what_they_should_be_are_shown_as_bytes(path: tuple[bytes, ...]) -> None:
    """They are an implementation's, and may be anything."""
    assert shown_value(path, b"\xff") == "0xff"


# Differences


def test_differing_fields_of_two_messages_are_named() -> None:
    """With what is seen and what is allowed."""
    status = Record({"cycles": Primitive.NAT, "settings": Record({"controllers": Vec(Primitive.TEXT)})})
    one = message(status, {"cycles": 5, "settings": {"controllers": ("a", "b")}})
    other = message(status, {"cycles": 6, "settings": {"controllers": ("a", "c")}})
    assert candid_differences(one, other) == ("cycles is 6, not 5", 'settings.controllers[1] is "c", not "b"')
    assert candid_differences(one, one) == ()


def test_fields_that_only_one_message_has_are_told() -> None:
    """In both directions."""
    one, other = message(Record({"cycles": Primitive.NAT}), {"cycles": 5}), message(Record(), {})
    assert candid_differences(one, other) == ("cycles is missing, not 5",)
    assert candid_differences(other, one) == ("cycles is there: 5",)


def test_long_blobs_inside_messages_are_compared_to_their_ends() -> None:
    """Also where what is shown of them is equal."""
    one, other = message(BLOB, b"a" * 100), message(BLOB, b"a" * 99 + b"b")
    assert candid_differences(one, other) == (
        "the value: the first difference is at byte 99 of 100 (allowed: 100): 62, not 61",
    )


def test_blobs_that_are_no_messages_differ_by_bytes() -> None:
    """Where they begin to, and what stands there."""
    assert differences(b"abdc", b"abc") == (blob_difference(b"abdc", b"abc"),)
    assert "byte 2 of 3 (allowed: 4): 63, not 6463" in blob_difference(b"abdc", b"abc")
    assert differences(b"a", b"a") == ()


def test_a_certificate_may_stand_behind_a_message() -> None:
    """The message is shown, and its fields are compared."""
    one, other = (message(Record({"cycles": Primitive.NAT}), {"cycles": cycles}) for cycles in (5, 6))
    certificate = SELF_DESCRIBING_TAG + b"\xa0"
    assert shown_blob(one + certificate) == "(record {cycles = 5}), then 4 bytes"
    assert differences(one + certificate, other + certificate) == ("cycles is 6, not 5",)
    assert differences(one + certificate, one + certificate[:-1]) == (
        blob_difference(one + certificate, one + certificate[:-1]),
    )


def test_of_a_reply_that_would_have_been_allowed_the_difference_is_told_first() -> None:
    """Then all of it; of other answers there is nothing to compare."""
    one, other = (Replied(message(Record({"cycles": Primitive.NAT}), {"cycles": cycles})) for cycles in (5, 6))
    assert shown_other(one, other) == "cycles is 6, not 5; all of it: reply (record {cycles = 5})"
    assert shown_other(one, Refused(3)) == "reply (record {cycles = 5})"
    assert shown_other(one, one) == "reply (record {cycles = 5})"
