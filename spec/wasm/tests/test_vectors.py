"""Every vector instruction is there, and gives what wasmtime gives."""

import itertools
import random
from functools import cache

import pytest
import wasmtime

from spec.wasm.binary import decode
from spec.wasm.execute import Instance, Trap, instantiate
from spec.wasm.numerics import BINARY, UNARY
from spec.wasm.opcodes import BY_NAME
from spec.wasm.syntax import ExternalKind, Immediates, ValueType
from spec.wasm.validate import validate
from spec.wasm.validate_code import access_width, number_of_lanes

VECTOR_NAMES = [name for name, opcode in BY_NAME.items() if opcode.encoding[0] == 0xFD]
OPERAND_COUNT = {name: len(BY_NAME[name].parameters) for name in VECTOR_NAMES}

EDGES_64 = (0, 1, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0x7FF8000000000001, 0xFFF0000000000000)
EDGES_32 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC12345, 0x7F800001, 0xFF800000, 0x4F000000, 0xCF000000)
EDGES_8 = (0, 1, 0x7F, 0x80, 0xFF, 15, 16, 31)


def vectors() -> list[int]:
    """Vectors with lanes at the edges of every shape, and some others; always the same."""
    chance = random.Random(7)
    made = []
    for width, edges in ((8, EDGES_8), (16, EDGES_8 + (0x7FFF, 0x8000, 0xFFFF)), (32, EDGES_32), (64, EDGES_64)):
        for _ in range(5):
            lanes = [chance.choice(edges) for _ in range(128 // width)]
            made.append(sum(lane << place * width for place, lane in enumerate(lanes)))
    floats = (0x3FC00000, 0xC0200000, 0x3EFFFFFF, 0x4EFFFFFF, 0x00000001, 0x80000000)
    made.append(sum(chance.choice(floats) << 32 * place for place in range(4)))
    made.append(0xC0040000000000003FF8000000000000)
    return [*made, 0, (1 << 128) - 1, chance.getrandbits(128)]


VECTORS = vectors()
NUMBERS = {"i32": (0, 1, 7, 33, 0x80000000, 0xFFFFFF80), "i64": EDGES_64, "f32": EDGES_32, "f64": EDGES_64}


def lanes_tried(name: str) -> tuple[str, ...]:
    """What is written behind the instruction."""
    match BY_NAME[name].immediates:
        case Immediates.LANE | Immediates.MEMORY_ARGUMENT_AND_LANE:
            return ("0", str(number_of_lanes(name) - 1))
        case Immediates.SIXTEEN_LANES:
            return ("0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31", "5 " * 15 + "31")
    return ("",)


def is_numeric(name: str) -> bool:
    return ValueType.V128 in (*BY_NAME[name].parameters, *BY_NAME[name].results) and "address" not in (
        BY_NAME[name].parameters
    )


NUMERIC = [name for name in VECTOR_NAMES if is_numeric(name) and name != "v128.const"]
ON_MEMORY = [name for name in VECTOR_NAMES if "address" in BY_NAME[name].parameters]


def as_integers(name: str, lanes: str) -> str:
    """A function whose operands lie in memory from 0 on, sixteen bytes each, and whose result is put at 64."""
    opcode = BY_NAME[name]
    body = ["i32.const 64"]
    body.extend(f"i32.const {16 * place} {entry.value}.load" for place, entry in enumerate(opcode.parameters))
    body.append(f"{name} {lanes} {opcode.results[0].value}.store")
    return f'(func (export "{name} {lanes}") {" ".join(body)})'


def on_memory(name: str, lanes: str) -> str:
    """A function that accesses an address given, with the vector at 0; what is loaded is put at 64."""
    if BY_NAME[name].results:
        vector = "i32.const 0 v128.load" if OPERAND_COUNT[name] == 2 else ""
        body = f"i32.const 64 local.get 0 {vector} {name} offset=3 {lanes} v128.store"
    else:
        body = f"local.get 0 i32.const 0 v128.load {name} offset=3 {lanes}"
    return f'(func (export "{name} {lanes}") (param i32) {body})'


CASES = [(name, lanes) for name in (*NUMERIC, *ON_MEMORY) for lanes in lanes_tried(name)]


@cache
def binary() -> bytes:
    functions = (on_memory(*case) if case[0] in ON_MEMORY else as_integers(*case) for case in CASES)
    return bytes(wasmtime.wat2wasm(f'(module (memory (export "memory") 1) {" ".join(functions)})'))


@cache
def engine() -> tuple[wasmtime.Store, wasmtime.Instance]:
    config = wasmtime.Config()
    config.cranelift_nan_canonicalization = True
    store = wasmtime.Store(wasmtime.Engine(config))
    return store, wasmtime.Instance(store, wasmtime.Module(store.engine, binary()), [])


def after(name: str, lanes: str, content: bytes, *arguments: int, ours: Instance) -> tuple[str, bytes, str, bytes]:
    """How both end, and the memory from 0 to 200 and at the end, by wasmtime and by the specification."""
    store, theirs = engine()
    memory = theirs.exports(store)["memory"]
    memory.write(store, content.ljust(200, b"\x5a"), 0)
    memory.write(store, bytes(range(200)), 65536 - 200)
    ends = "returns"
    try:
        theirs.exports(store)[f"{name} {lanes}"](store, *arguments)
    except wasmtime.Trap:
        ends = "traps"
    ours.memory.write(0, content.ljust(200, b"\x5a"))
    ours.memory.write(65536 - 200, bytes(range(200)))
    our_end = "returns"
    try:
        ours.invoke(ours.module.exported(f"{name} {lanes}", ExternalKind.FUNCTION), arguments)
    except Trap:
        our_end = "traps"
    whole = bytes(memory.read(store, 0, 65536))
    return ends, whole, our_end, bytes(ours.memory.content)


@pytest.fixture(scope="module")
def ours():
    module = decode(binary())
    validate(module)
    return instantiate(
        module, {}, counter=10**12, memory=None, globals=None, maximum_call_depth=10, maximum_memory_pages=None
    )


def test_there_are_236_vector_instructions_each_with_a_function():
    assert len(VECTOR_NAMES) == 236
    plain = [name for name in NUMERIC if BY_NAME[name].immediates is Immediates.NONE and name != "v128.bitselect"]
    assert {name for name in (*UNARY, *BINARY) if name in VECTOR_NAMES} == set(plain)


@pytest.mark.parametrize(("name", "lanes"), [case for case in CASES if case[0] in NUMERIC])
def test_the_result_is_that_of_wasmtime(name, lanes, ours):
    operands = [VECTORS if entry is ValueType.V128 else NUMBERS[entry.value] for entry in BY_NAME[name].parameters]
    chosen = list(itertools.product(*operands))
    for values in random.Random(name).sample(chosen, min(len(chosen), 60)):
        content = b"".join(value.to_bytes(16, "little") for value in values)
        theirs = after(name, lanes, content, ours=ours)
        assert theirs[:2] == theirs[2:], (name, lanes, [hex(value) for value in values])


@pytest.mark.parametrize(("name", "lanes"), [case for case in CASES if case[0] in ON_MEMORY])
def test_accesses_are_those_of_wasmtime_up_to_the_end_of_the_memory(name, lanes, ours):
    width = access_width(name)
    ends = set()
    for address in (0, 100, 65536 - 3 - width, 65536 - 2 - width, 65535, 0xFFFFFFFF):
        theirs = after(name, lanes, bytes(range(0x71, 0x81)), address, ours=ours)
        assert theirs[:2] == theirs[2:], (name, lanes, address)
        ends.add(theirs[0])
    assert ends == {"returns", "traps"}


def test_vectors_live_in_locals_globals_parameters_and_results(make):
    text = """(module
      (global $g (export "g") (mut v128) (v128.const i32x4 1 2 3 4))
      (func $swap (param v128 v128) (result v128 v128) local.get 1 local.get 0)
      (func (export "go") (result i32) (local v128)
        global.get $g local.get 0 call $swap
        i32x4.add local.tee 0 local.get 0 i32x4.add global.set $g
        local.get 0 global.get $g i32.const 0 select i32x4.extract_lane 3))"""
    instance = make(text)
    assert instance.invoke(instance.module.exported("go", ExternalKind.FUNCTION), ()) == [8]
    assert instance.persistent_globals() == (0x00000008000000060000000400000002,)
    assert make(text, globals=(5,)).globals == [5]


def test_vector_instructions_are_charged_by_their_weights(run):
    """One for the function entry, one for each constant, twelve for each quotient, one for the drop."""
    body = "v128.const i64x2 1 2 v128.const i64x2 1 2 f64x2.div v128.const i64x2 1 2 f64x2.div drop"
    assert run(f'(module (func (export "go") {body}))')[1] == 1 + 3 * 1 + 2 * 12 + 1
