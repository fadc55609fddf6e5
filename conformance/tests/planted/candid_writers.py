"""Implementations that write the results of the management canister in another way than the specification does."""

from attrs import evolve

from conformance.protocol.interface import Answer, Description, Query, QueryAnswer, Replied
from conformance.tests.planted.bugs import BlackBox
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.state import State
from spec.transition import Step
from spec.values.candid import (
    MAGIC,
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
    encode,
    field_id,
    read_as_sent,
    resolved,
)
from spec.values.candid.decoding import WireReader
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, Principal, RequestId
from spec.values.leb128 import encode_signed, encode_unsigned
from spec.values.rejects import Reply

OPTION = -18
"""The code of `opt` in the binary format."""

SETS = {field_id(name) for name in ("controllers", "environment_variables", "allowed_viewers", "hash")}


class WritesCandid(BlackBox):
    """What the management canister replies to users is written anew."""

    def rewritten(self, message: Message) -> Blob:
        """The message as this implementation writes it."""
        return encode(message.types, message.values, message.definitions)

    def rewritten_blob(self, reply: Blob) -> Blob:
        """The reply as this implementation writes it."""
        message = read_as_sent(reply)
        assert isinstance(message, Message)
        return self.rewritten(message)

    def _rewritten_answer(self, canister_id: Principal, answer: Answer | QueryAnswer) -> Answer | QueryAnswer:
        if canister_id != MANAGEMENT_CANISTER or not isinstance(answer, Replied):
            return answer
        return Replied(self.rewritten_blob(answer.data))

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        known = self.current.requests[request_id].request if request_id in self.current.requests else None
        return answer if known is None else self._rewritten_answer(known.canister_id, answer)

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        return self._rewritten_answer(query.canister_id, super().query(query, effective_id))


def with_fields(candid_type: CandidType, definitions: Definitions, more: dict[str, CandidType]) -> CandidType:
    """The type, in which every record has further fields."""
    match resolved(candid_type, definitions):
        case Record(fields):
            return Record([*((name, with_fields(kind, definitions, more)) for name, kind in fields), *more.items()])
        case Variant(fields):
            return Variant([(name, with_fields(kind, definitions, more)) for name, kind in fields])
        case Vec(element):
            return Vec(with_fields(element, definitions, more))
        case Opt(content):
            return Opt(with_fields(content, definitions, more))
        case other:
            return other


def with_values(value: CandidValue, more: dict[str, CandidValue]) -> CandidValue:
    """The value, in which every record has further fields."""
    match value:
        case dict():
            return {**{name: with_values(part, more) for name, part in value.items()}, **more}
        case Case(label, content):
            return Case(label, with_values(content, more))
        case Some(content):
            return Some(with_values(content, more))
        case tuple():
            return tuple(with_values(part, more) for part in value)
        case _:
            return value


class AddsFields(WritesCandid):
    """Records have a field that the interface does not name, as those of a later version may."""

    def rewritten(self, message: Message) -> Blob:
        types = [with_fields(each, message.definitions, {"later": Opt(Primitive.TEXT)}) for each in message.types]
        return encode(types, [with_values(value, {"later": Some("new")}) for value in message.values])


class AddsResults(WritesCandid):
    """There is a further result behind those that the interface names."""

    def rewritten(self, message: Message) -> Blob:
        return encode((*message.types, Primitive.TEXT), (*message.values, "new"), message.definitions)


class HasUnusedTypes(WritesCandid):
    """The table of types ends with one that nothing uses."""

    def rewritten_blob(self, reply: Blob) -> Blob:
        reader = WireReader(reply, position=len(MAGIC))
        entries = reader.count()
        start = reader.position
        reader.several(entries, lambda: reader.definition(entries))
        table = reply[start : reader.position] + encode_signed(OPTION) + encode_signed(Primitive.BOOL)
        return MAGIC + encode_unsigned(entries + 1) + table + reply[reader.position :]


class ListsSetsBackwards(WritesCandid):
    """Controllers and whatever else has no order are listed in the opposite order."""

    def rewritten(self, message: Message) -> Blob:
        values = [backwards(value) for value in message.values]
        return encode(message.types, values, message.definitions)


def backwards(value: CandidValue, is_set: bool = False) -> CandidValue:
    """The value with sets in the opposite order."""
    match value:
        case dict():
            return {name: backwards(part, name in SETS) for name, part in value.items()}
        case Case(label, content):
            return Case(label, backwards(content, label in SETS))
        case Some(content):
            return Some(backwards(content, is_set))
        case tuple():
            hashes = bool(value) and isinstance(value[0], dict) and value[0].keys() == {field_id("hash")}
            parts = tuple(backwards(part) for part in value)
            return parts[::-1] if is_set or hashes else parts
        case _:
            return value


class ListsEverythingBackwards(WritesCandid):
    """Also what has an order, such as a canister's history, is listed in the opposite order."""

    def rewritten(self, message: Message) -> Blob:
        return encode(message.types, [all_backwards(value) for value in message.values], message.definitions)


def all_backwards(value: CandidValue) -> CandidValue:
    """The value with all vectors in the opposite order."""
    match value:
        case dict():
            return {name: all_backwards(part) for name, part in value.items()}
        case Case(label, content):
            return Case(label, all_backwards(content))
        case Some(content):
            return Some(all_backwards(content))
        case tuple():
            return tuple(all_backwards(part) for part in value)[::-1]
        case _:
            return value


class LeavesOutOptions(WritesCandid):
    """Fields that hold nothing are not written."""

    def rewritten(self, message: Message) -> Blob:
        types, values = [], []
        for kind, value in zip(message.types, message.values, strict=True):
            actual = resolved(kind, message.definitions)
            if isinstance(actual, Record):
                present = {field_id(name) for name, _ in actual.fields if value[field_id(name)] is not None}
                kind = Record([(name, part) for name, part in actual.fields if field_id(name) in present])
                value = {name: part for name, part in value.items() if name in present}
            types.append(kind)
            values.append(value)
        return encode(types, values, message.definitions)


class LeavesOutAField(WritesCandid):
    """The first field of a record is not written, whatever it holds."""

    def rewritten(self, message: Message) -> Blob:
        types, values = [], []
        for kind, value in zip(message.types, message.values, strict=True):
            actual = resolved(kind, message.definitions)
            if isinstance(actual, Record) and actual.fields:
                kind = Record(actual.fields[1:])
                value = {name: part for name, part in value.items() if name != field_id(actual.fields[0][0])}
            types.append(kind)
            values.append(value)
        return encode(types, values, message.definitions)


class WritesCasesAlone(WritesCandid):
    """Of the cases of a variant the type has the one that is there alone."""

    def rewritten(self, message: Message) -> Blob:
        types = [narrowed(*each, message.definitions) for each in zip(message.types, message.values, strict=True)]
        return encode(types, message.values, message.definitions)


def narrowed(candid_type: CandidType, value: CandidValue, definitions: Definitions) -> CandidType:
    """The type, with the cases that the value has."""
    match resolved(candid_type, definitions):
        case Variant(fields):
            taken = [(name, kind) for name, kind in fields if field_id(name) == field_id(value.label)]
            return Variant([(name, narrowed(kind, value.value, definitions)) for name, kind in taken])
        case Record(fields):
            return Record([(name, narrowed(kind, value[field_id(name)], definitions)) for name, kind in fields])
        case Opt(content) if value is not None:
            return Opt(narrowed(content, value.value, definitions))
        case other:
            return other


class WritesIntegersForNaturals(WritesCandid):
    """Natural numbers are written as integers, which whoever expects the type of the interface cannot read."""

    def rewritten(self, message: Message) -> Blob:
        types = [as_integers(kind, message.definitions) for kind in message.types]
        return encode(types, message.values, message.definitions)


def as_integers(candid_type: CandidType, definitions: Definitions) -> CandidType:
    """The type of a number, or of a record of numbers, with integers for natural ones."""
    match resolved(candid_type, definitions):
        case Record(fields):
            return Record([(name, as_integers(kind, definitions)) for name, kind in fields])
        case Primitive.NAT:
            return Primitive.INT
        case other:
            return other


class AddsFieldsForCanisters(BlackBox):
    """What the management canister replies to canisters has further fields, and prices are its own."""

    def describe(self) -> Description:
        return evolve(super().describe(), profiles=())

    def taken(self, label: Label, fired: Step) -> State:
        before, messages = self.current.messages, fired.state.messages
        message_id = label.arguments().get("message_id")
        calls = [each for known, each in before.entries if known == message_id and isinstance(each, CallMessage)]
        if not any(call.callee == MANAGEMENT_CANISTER for call in calls):
            return fired.state
        for message_id, message in messages.entries:
            is_new = isinstance(message, ResponseMessage) and message_id not in before
            if is_new and isinstance(message.response, Reply):
                reply = Reply(AddsFields().rewritten_blob(message.response.data))
                messages = messages.replace(message_id, evolve(message, response=reply))
        return evolve(fired.state, messages=messages)
