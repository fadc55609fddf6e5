"""Modules made to be expensive are refused, or taken, in bounded time and memory; mutated ones never crash anything."""

import gzip
import random
import resource
import time
from collections.abc import Callable

import pytest
from attrs import evolve

from spec.canister.module import MalformedModule
from spec.profile import Profile, load_profile
from spec.system_api.module import parse_module
from spec.system_api.requirements import decode_module
from spec.wasm.binary import decode

PROFILE = load_profile()
HEADER = b"\0asm\x01\0\0\0"
MILLION = 1_000_000
NOTHING_TO_NOTHING = b"\x60\0\0"


def leb128(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def section(number: int, content: bytes) -> bytes:
    return bytes((number,)) + leb128(len(content)) + content


def vector(item: bytes, times: int) -> bytes:
    return leb128(times) + item * times


def sized(content: bytes) -> bytes:
    return leb128(len(content)) + content


def functions(body: bytes, times: int = 1, types: bytes = vector(NOTHING_TO_NOTHING, 1)) -> bytes:
    """A module with a function of the first type, many times. The body begins with its locals."""
    return HEADER + section(1, types) + section(3, vector(b"\0", times)) + section(10, vector(sized(body), times))


def wide_body(size: int) -> bytes:
    """A body of so many bytes in less than a million instructions: constants of 16 bytes that are dropped."""
    constants, rest = divmod(size - 2, 19)
    return b"\0" + (b"\xfd\x0c" + bytes(16) + b"\x1a") * constants + b"\x01" * rest + b"\x0b"


def filling(times: int) -> bytes:
    """A body that fills so many times nothing; each time is charged by what it fills."""
    return b"\0" + (b"\x41\0" * 3 + b"\xfc\x0b\0") * times + b"\x0b"


def labels(number: int) -> bytes:
    """A `br_table` with all labels of as many blocks."""
    return b"\x0e" + leb128(number) + b"".join(map(leb128, range(number))) + b"\0"


def element_section(items: int) -> bytes:
    """A passive segment of so many references to function 0, none of which is there yet."""
    return section(9, b"\x01\x01\0" + leb128(items))


RESULTS = vector(b"\x7f", 1000)
MANY_RESULTS = b"\x02" + NOTHING_TO_NOTHING + b"\x60\0" + RESULTS
UNREACHABLE_TABLES = b"\0" + b"\x02\x01" * 800 + (b"\0" + labels(799)) * 100 + b"\x0b" * 800 + b"\x1a" * 1000 + b"\x0b"

HOSTILE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "deep nesting": (
        lambda: functions(b"\0" + b"\x02\x40" * 300_000 + b"\x0b" * 300_001),
        "bytes in a function body with the code that counts; 7654321 are allowed",
    ),
    "blocks that are not closed": (
        lambda: functions(b"\0" + b"\x02\x40" * 400_000),
        "END opcode expected",
    ),
    "a function that is too long": (
        lambda: functions(b"\0" + b"\x01" * 2 * MILLION + b"\x0b"),
        "2000001 instructions in a function; 1000000 are allowed",
    ),
    "a function body of too many bytes": (
        lambda: functions(wide_body(7_654_322)),
        "7654322 bytes in a function body; 7654321 are allowed",
    ),
    "a function body that leaves too little room for counting": (
        lambda: functions(wide_body(7_654_321 - 80 * 9 + 1)),
        "7654322 bytes in a function body with the code that counts; 7654321 are allowed",
    ),
    "a function body of as many bytes as may be": (lambda: functions(wide_body(7_654_321 - 80 * 9)), None),
    "a function body with as many places at which is counted as may be": (lambda: functions(filling(85_995)), "memory"),
    "a function body with one more place at which is counted": (
        lambda: functions(filling(85_996)),
        "bytes in a function body with the code that counts",
    ),
    "a code section that is too large": (
        lambda: functions(b"\0" + b"\x01" * 13 * MILLION),
        "bytes in the code section; 12582912 are allowed",
    ),
    "50,000 functions": (lambda: functions(b"\0\x0b", 50_000), None),
    "50,001 functions": (lambda: functions(b"\0\x0b", 50_001), "50001 functions; 50000 are allowed"),
    "a count of four thousand million functions": (
        lambda: HEADER + section(3, b"\xff\xff\xff\xff\x0f"),
        "4294967295 functions; 50000 are allowed",
    ),
    "a count of more types than bytes": (
        lambda: HEADER + section(1, leb128(999_999) + NOTHING_TO_NOTHING),
        "the vector has more elements than bytes are left",
    ),
    "ten million types": (
        lambda: HEADER + section(1, vector(NOTHING_TO_NOTHING, 10 * MILLION)),
        "10000000 types; 1000000 are allowed",
    ),
    "types with many parameters": (
        lambda: HEADER + section(1, vector(b"\x60" + vector(b"\x7f", 1000) + b"\0", 20_000)),
        None,
    ),
    "a type with too many parameters": (
        lambda: HEADER + section(1, b"\x01\x60" + vector(b"\x7f", 1001) + b"\0"),
        "1001 parameters; 1000 are allowed",
    ),
    "a segment of ninety million elements": (
        lambda: HEADER + element_section(90 * MILLION),
        "90000000 elements in a segment; 10000000 are allowed",
    ),
    "tables of ten million elements, many": (
        lambda: HEADER + section(4, vector(b"\x70\0" + leb128(10 * MILLION), 50)),
        "500000000 elements in tables; 10000000 are allowed",
    ),
    "a table of four thousand million elements": (
        lambda: HEADER + section(4, b"\x01\x70\0\xff\xff\xff\xff\x0f"),
        "4294967295 elements in tables",
    ),
    "a hundred and one tables": (
        lambda: HEADER + section(4, vector(b"\x70\0\0", 101)),
        "101 tables; 100 are allowed",
    ),
    "a memory that is too large": (
        lambda: HEADER + section(5, b"\x01\x04" + leb128(1 << 40)),
        "the memory starts with more than",
    ),
    "a million globals": (
        lambda: HEADER + section(6, vector(b"\x7f\0\x41\0\x0b", MILLION)),
        "1000000 globals; 1000 are allowed",
    ),
    "a constant expression without end": (
        lambda: HEADER + section(6, b"\x01\x7f\0" + b"\x41\0" * 10 * MILLION + b"\x0b"),
        "instructions or more in a constant expression; 1000 are allowed",
    ),
    "ten million custom sections": (
        lambda: HEADER + b"\0\x01\0" * 10 * MILLION,
        "100001 custom sections; 100000 are allowed",
    ),
    "four thousand million locals": (
        lambda: functions(b"\x01\xff\xff\xff\xff\x0f\x7f\x0b"),
        "too many locals",
    ),
    "groups of no locals": (lambda: functions(vector(b"\0\x7f", 200_000) + b"\x0b"), None),
    "an overlong number": (
        lambda: HEADER + b"\x01" + b"\x80" * 10 * MILLION + b"\0",
        "integer representation too long",
    ),
    "an overlong opcode": (
        lambda: functions(b"\0\xfd" + b"\x80" * MILLION + b"\0\x0b"),
        "integer representation too long",
    ),
    "a name that is longer than the module": (
        lambda: HEADER + section(2, b"\x01\xff\xff\xff\xff\x0f" + b"a" * MILLION),
        "unexpected end",
    ),
    "branches to many labels with many values": (
        lambda: functions(UNREACHABLE_TABLES, types=MANY_RESULTS),
        None,
    ),
    "110 MB of zeros, compressed": (
        lambda: gzip.compress(bytes(110 * MILLION), 1),
        "the module has more than 104857600 bytes",
    ),
    "100 MB of zeros behind a header, compressed": (
        lambda: gzip.compress(HEADER + bytes(100 * MILLION), 1),
        "unexpected end",
    ),
    "many compressed nothings": (
        lambda: gzip.compress(b"") * 100_000,
        "magic header not detected",
    ),
}

SECONDS = 8
MEGABYTES = 400


def peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_module_costs_little_and_the_reason_is_told(name: str) -> None:
    make, reason = HOSTILE[name]
    raw = make()
    memory, started = peak_megabytes(), time.process_time()
    read = decode_module(raw, PROFILE)
    assert time.process_time() - started < SECONDS
    assert peak_megabytes() - memory < MEGABYTES
    because = read.because if isinstance(read, MalformedModule) else None
    assert (because is None) == (reason is None), because
    assert reason is None or reason in (because or "")
    assert "\n" not in (because or "") and len(because or "") < 300
    decode.cache_clear()


# Mutated modules

SEED_TEXT = """(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (type $binary (func (param i32 i32) (result i32)))
  (table 4 funcref) (elem (i32.const 0) $f $f) (elem func $f)
  (memory 1) (data (i32.const 8) "some bytes") (data "passive")
  (global $g (mut i64) (i64.const 7)) (global $v (mut v128) (v128.const i64x2 1 2))
  (func $f (type $binary) (local i64 v128 f64)
    block (result i32)
      loop
        local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0
      end
      local.get 1 i32.const 0 i32.const 1 local.get 0 call_indirect (type $binary)
    end
    f64.const 1.5 f64.sqrt local.set 4
    global.get $v i8x16.extract_lane_u 3 drop
    i32.const 0 i32.const 0 i32.const 3 memory.init 1)
  (func (export "canister_update go")
    i32.const 3 i32.const 4 call $f if i32.const 0 i32.const 4 call $append call $reply else unreachable end
    local.get 0 br_table 0 0) )""".replace("local.get 0 br_table 0 0", "i32.const 1 br_table 0 0")


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, put in, taken out or repeated."""
    changed = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place = chance.randrange(8, len(changed))
        match chance.randrange(5):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                changed[place] ^= 1 << chance.randrange(8)
            case 2:
                changed.insert(place, chance.choice((0, 0x0B, 0x40, 0x7F, 0x80, 0xFC, 0xFD, 0xFF)))
            case 3:
                del changed[place : place + chance.randrange(1, 4)]
            case _:
                changed[place:place] = changed[place : place + chance.randrange(1, 12)]
    return bytes(changed)


def small_profile() -> Profile:
    return evolve(PROFILE, limits=evolve(PROFILE.limits, wasm_memory_32=16 * 65_536))


def fuzz(raw: bytes, seconds: float, seed: int) -> tuple[int, int]:
    """Reads mutated modules for so many seconds of this process. How many there were, and how many were accepted."""
    chance = random.Random(seed)
    profile = small_profile()
    tried = accepted = 0
    end = time.process_time() + seconds
    while time.process_time() < end:
        started = time.process_time()
        candidate = mutated(raw, chance)
        module = parse_module(candidate, profile)
        assert time.process_time() - started < 2, candidate.hex()
        if isinstance(module, MalformedModule):
            assert module.because and "\n" not in module.because
        else:
            accepted += 1
        tried += 1
    return tried, accepted


def test_mutated_modules_are_refused_or_taken(raw: Callable[[str], bytes]) -> None:
    tried, accepted = fuzz(raw(SEED_TEXT), seconds=2, seed=1)
    assert tried > 300 and 0 < accepted < tried


@pytest.mark.deep
def test_mutated_modules_for_ten_minutes(raw: Callable[[str], bytes]) -> None:
    tried, accepted = fuzz(raw(SEED_TEXT), seconds=600, seed=random.randrange(1 << 32))
    print(f"{tried} mutated modules, {accepted} of them accepted")
    assert 0 < accepted < tried
