"""Modules that are malformed, invalid, or use features that are not accepted are refused for a clear reason."""

import pytest
import wasmtime

from spec.wasm.binary import Malformed, decode
from spec.wasm.binary_code import _CUTTER, InstructionsOfModule, decode_body, decode_instruction
from spec.wasm.reader import Reader
from spec.wasm.validate import Invalid, validate

HEADER = b"\0asm\x01\0\0\0"


@pytest.mark.parametrize(
    ("raw", "reason", "offset"),
    [
        (b"", "magic header not detected", 0),
        (b"\0asn\x01\0\0\0", "magic header not detected", 0),
        (b"\0asm\x02\0\0\0", "unknown binary version", 4),
        (HEADER + b"\x01", "unexpected end", 9),
        (HEADER + b"\x01\x05\x00", "length out of bounds", 10),
        (HEADER + b"\x0e\x00", "malformed section id", 8),
        (HEADER + b"\x0d\x01\x00", "exceptions are not accepted", 8),
        (HEADER + b"\x03\x01\x00\x01\x01\x00", "unexpected content after last section", 11),
        (HEADER + b"\x01\x02\x00\x00", "section size mismatch", 11),
        (HEADER + b"\x03\x02\x01\x00", "inconsistent lengths", 12),
        (HEADER + b"\x00\x02\x01\xff", "malformed UTF-8 encoding", 11),
        (HEADER + b"\x05\x03\x01\x03\x01", "threads", 11),
        (HEADER + b"\x05\x08\x01\x00\x80\x80\x80\x80\x80\x00", "integer representation too long", 12),
        (HEADER + b"\x05\x07\x01\x00\x80\x80\x80\x80\x10\x00", "integer too large", 12),
        (HEADER + b"\x01\x04\x01\x5e\x7f\x00", "garbage collection is not accepted", 11),
    ],
)
def test_malformed_bytes_are_refused_with_the_place(raw, reason, offset):
    with pytest.raises(Malformed) as caught:
        decode(raw)
    assert reason in caught.value.reason
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(func (result i32))", "type mismatch"),
        ("(func i32.const 1)", "values remaining"),
        ("(func (result i32) i64.const 1)", "expected i32, found i64"),
        ("(func i32.const 1 i64.const 1 i32.add drop)", "expected i32, found i64"),
        ("(func (param i32) (result i32) local.get 0 if (result i32) i32.const 1 end)", "if without else"),
        ("(func br 1)", "unknown label"),
        ("(func local.get 0 drop)", "unknown local"),
        ("(func global.get 0 drop)", "unknown global"),
        ("(global i32 (i32.const 1)) (func i32.const 1 global.set 0)", "immutable"),
        ("(func call 9)", "unknown function"),
        ("(func i32.const 0 i32.load drop)", "unknown memory"),
        ("(memory 1) (func i32.const 0 v128.load64_zero align=16 drop)", "alignment"),
        ("(func (param v128) local.get 0 i8x16.extract_lane_s 16 drop)", "invalid lane index"),
        ("(memory 1) (func (param v128) i32.const 0 local.get 0 v128.store32_lane 4)", "invalid lane index"),
        ("(func (param v128 v128) local.get 0 i64x2.extract_lane 0 i32.eqz drop)", "expected i32, found i64"),
        ("(memory 1) (func i32.const 0 i32.load align=8 drop)", "alignment"),
        ("(memory 1) (func i64.const 0 i32.load drop)", "expected i32, found i64"),
        ("(memory i64 1) (func i32.const 0 i32.load drop)", "expected i64, found i32"),
        pytest.param("(memory 65537)", "memory size", marks=pytest.mark.checklist("seed2.wasm-memory-limit")),
        ("(memory 2 1)", "size minimum"),
        ("(memory 1) (memory 1)", "more than one memory"),
        ("(table 1 externref) (type $t (func)) (func i32.const 0 call_indirect (type $t))", "funcref"),
        ("(func $f (param i32)) (start $f)", "start function"),
        ('(func (export "a")) (func (export "a"))', "duplicate export name"),
        ("(func ref.func 0 drop)", "undeclared function reference"),
        ("(func ref.null func ref.null func i32.const 0 select drop)", "select without a type"),
        ("(global i32 (i32.add (i32.const 1) (i32.const 2)))", "constant expression required"),
        ("(global i32 (i32.const 1)) (global i32 (global.get 0))", "only imported globals"),
        ("(func $f return_call $g) (func $g (result i32) i32.const 1)", "the results of the callee"),
        ("(func i32.const 0 block (result i32) i32.const 1 i32.const 0 br_table 0 1 end drop drop)", "type mismatch"),
    ],
)
def test_an_invalid_module_is_refused(text, reason):
    module = decode(bytes(wasmtime.wat2wasm(f"(module {text})")))
    with pytest.raises(Invalid, match=reason):
        validate(module)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(func (param v128) local.get 0 local.get 0 i8x16.relaxed_swizzle drop)", "relaxed SIMD is not accepted"),
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (func atomic.fence)", "threads are not accepted"),
        ("(tag)", "exceptions are not accepted"),
        ("(tag $t) (func throw $t)", "exceptions are not accepted"),
        ("(type (struct))", "garbage collection is not accepted"),
        ("(func i32.const 1 ref.i31 drop)", "garbage collection is not accepted"),
        ("(type $t (func)) (func (param (ref $t)) local.get 0 call_ref $t)", "typed function references"),
        ("(memory 1) (memory 1) (func i32.const 0 i32.load 1 drop)", "more than one memory"),
    ],
)
def test_features_that_are_not_accepted_are_named(text, reason):
    with pytest.raises(Malformed, match=reason):
        decode(bytes(wasmtime.wat2wasm(f"(module {text})")))


CUT = (
    *(
        b"\x02\x40",
        b"\x03\x7f",
        b"\x04\x85\x00",
        b"\x05",
        b"\x0b",
        b"\x0b",
        b"\x0c\x80\x00",
        b"\x20\x05",
        b"\x0e\x00\x01",
    ),
    *(b"\x0e\x03\x00\x01\x80\x00\x02", b"\x11\x01\x80\x00", b"\x1c\x01\x7e", b"\x28\x02\x80\x80\x01", b"\x3f\x00"),
    *(b"\x41\xff\xff\xff\xff\x7f", b"\x41\x7f", b"\x42\x80\x80\x80\x80\x70", b"\x43\x0b\x0b\x0b\x0b"),
    *(b"\x44" + b"\x0b" * 8, b"\xd0\x70", b"\xd2\x01", b"\xfc\x0a\x00\x00", b"\xfc\x08\x01\x00", b"\xfc\x0c\x01\x02"),
    *(b"\xfd\x0c" + b"\x0b" * 16, b"\xfd\x00\x04\x80\x01", b"\xfd\x54\x00\x05\x0b", b"\xfd\x15\x0b"),
    *(b"\xfd\x0d" + bytes(range(16)), b"\xfd\xff\x01", b"\xfd\x80\x01", b"\xfd\x0e"),
    *(b"\x5c", b"\x5d", b"\x6a", b"\xc4", b"\x0b"),
)
NOT_CUT = (b"\x0e\x46" + bytes(71), b"\xfc\x8b\x00\x00", b"\xfd\x8e\x00", b"\x1c\x82\x00\x7e\x7f")


@pytest.mark.parametrize("others", [(), *((piece,) for piece in NOT_CUT), NOT_CUT])
def test_cutting_a_body_and_reading_it_one_by_one_agree(others):
    """Every shape of immediates; those that the expression cannot cut are read one by one."""
    pieces = (*CUT, *others, b"\x0b")
    raw = b"".join(pieces)
    assert (_CUTTER.findall(raw) == list(pieces)) == (not others)
    reader = Reader(raw, 0, len(raw))
    one_by_one = []
    for piece in pieces:
        start = reader.position
        one_by_one.append(decode_instruction(reader))
        assert reader.position - start == len(piece)
    assert decode_body(Reader(raw, 0, len(raw)), InstructionsOfModule(), 1000) == tuple(one_by_one)


def test_integers_keep_to_their_width():
    def unsigned(raw: bytes, width: int) -> int:
        return Reader(raw, 0, len(raw)).unsigned(width)

    def signed(raw: bytes, width: int) -> int:
        return Reader(raw, 0, len(raw)).signed(width)

    assert unsigned(b"\xff\xff\xff\xff\x0f", 32) == 0xFFFFFFFF
    assert unsigned(b"\x80\x80\x80\x80\x00", 32) == 0
    assert signed(b"\x80\x80\x80\x80\x78", 32) == -(1 << 31)
    assert signed(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 64) == (1 << 63) - 1
    for raw in (b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\x00"):
        with pytest.raises(Malformed, match="integer"):
            unsigned(raw, 32)
    for raw in (b"\x80\x80\x80\x80\x70", b"\xff\xff\xff\xff\x08", b"\xff\xff\xff\xff\x4f", b"\x80\x80\x80\x80\x80\x00"):
        with pytest.raises(Malformed, match="integer"):
            signed(raw, 32)


def test_custom_sections_are_kept_and_names_are_ignored():
    raw = HEADER + b"\x00\x05\x03abcX" + b"\x00\x06\x04name\xff"
    module = decode(raw)
    validate(module)
    assert [(entry.name, entry.content) for entry in module.custom_sections] == [("abc", b"X"), ("name", b"\xff")]


def test_instructions_on_data_segments_need_the_data_count_section():
    text = '(module (memory 1) (data "a") (func data.drop 0))'
    raw = bytes(wasmtime.wat2wasm(text))
    assert decode(raw).data_count == 1
    section = raw.index(b"\x0c\x01\x01")
    with pytest.raises(Malformed, match="data count section required"):
        decode(raw[:section] + raw[section + 3 :])
