"""Both engines refuse the same modules, and give the same outcome of every execution."""

import gzip

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.outcome import Callback, Closure, Outcome, Returned, Trapped, TrapReason
from spec.profile import load_profile
from spec.values.rejects import Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def loaded(text: str) -> ModulePair:
    pair = load_pair(binary(text), PROFILE)
    assert pair is not None
    return pair


def run(text: str, environment=ENVIRONMENT, argument: bytes = b"") -> Outcome:
    pair = loaded(text)
    return pair.update("go", pair.initial_state(), environment, argument)


# Recursion. The entry has depth 1.

RECURSIONS = {
    "call": """(func $f (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call $f (i32.sub (local.get 0) (i32.const 1))))""",
    "call_indirect": """(type $t (func (param i32) (result i32))) (table funcref (elem $f))
        (func $f (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))""",
    "call_indirect beside an import": """(type $t (func (param i32) (result i32))) (table funcref (elem $f $reply))
        (func $f (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))""",
    "calls before and after": """(func $leaf)
        (func $f (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call $leaf) (call $leaf) (call $f (i32.sub (local.get 0) (i32.const 1))) (call $leaf) (nop))""",
    "calls before and after beside an import": """(table funcref (elem $reply $leaf)) (func $leaf)
        (func $f (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call $leaf) (call_indirect (i32.const 1)) (call $f (i32.sub (local.get 0) (i32.const 1)))
        (call_indirect (i32.const 1)) (call $leaf))""",
    "wide frames": f"""(func $f (param i32) (result i32) (local $x i64)
        (i32.store (i32.const 0) (local.get 0))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        {" ".join(f"(i64.load offset={8 * index} (i32.const 8))" for index in range(2000))}
        (drop (call $f (i32.sub (local.get 0) (i32.const 1))))
        {"i64.add " * 1999} local.set $x (i64.store (i32.const 16) (local.get $x)) (i32.const 0))""",
}


@pytest.mark.parametrize("kind", RECURSIONS)
@pytest.mark.parametrize(("depth", "returns"), [(998, True), (999, False), (100_000, False)])
def test_recursion_ends_at_the_same_depth(kind: str, depth: int, returns: bool) -> None:
    outcome = run(f"""(module (import "ic0" "msg_reply" (func $reply)) (memory 2) {RECURSIONS[kind]}
        (func (export "canister_update go") (drop (call $f (i32.const {depth})))))""")
    assert isinstance(outcome, Returned if returns else Trapped)
    assert outcome.instructions_used > 10_000


TAIL_CALLS = {
    "return_call": "(return_call $f (i32.sub (local.get 0) (i32.const 1)))",
    "return_call_indirect": "(return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))",
}


@pytest.mark.parametrize("kind", TAIL_CALLS)
def test_tail_calls_do_not_nest(kind: str) -> None:
    outcome = run(f"""(module (type $t (func (param i32) (result i32))) (table funcref (elem $f))
        (func $f (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 0)))) {TAIL_CALLS[kind]})
        (func (export "canister_update go") (drop (call $f (i32.const 5000)))))""")
    assert isinstance(outcome, Returned)


@pytest.mark.parametrize("depth", [998, 999])
@pytest.mark.parametrize("way", ["call $size", "call_indirect (type $p) (i32.const 0)"])
def test_a_call_of_the_system_does_not_nest(depth: int, way: str) -> None:
    outcome = run(f"""(module (type $p (func (result i32)))
        (import "ic0" "msg_arg_data_size" (func $size (type $p))) (table funcref (elem $size))
        (func $f (param i32)
          (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (drop ({way})))))
        (func (export "canister_update go") (call $f (i32.const {depth}))))""")
    assert isinstance(outcome, Returned if depth == 998 else Trapped)


@pytest.mark.parametrize("depth", [998, 999])
@pytest.mark.parametrize("way", ["call $size", "call_indirect (type $p) (i32.const 0)"])
def test_a_call_after_a_call_of_the_system_nests(depth: int, way: str) -> None:
    outcome = run(f"""(module (type $p (func (result i32)))
        (import "ic0" "msg_arg_data_size" (func $size (type $p))) (table funcref (elem $size)) (func $leaf)
        (func $f (param i32)
          (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (drop ({way})) (call $leaf))))
        (func (export "canister_update go") (call $f (i32.const {depth - 1}))))""")
    assert isinstance(outcome, Returned if depth == 998 else Trapped)


@pytest.mark.parametrize("depth", [999, 1000])
def test_a_callback_starts_at_the_entry_depth(depth: int) -> None:
    pair = loaded("""(module (table funcref (elem $reply)) (memory 1)
        (func $reply (param i32) (call $f (i32.sub (local.get 0) (i32.const 1))))
        (func $f (param i32) (i32.store (i32.const 0) (local.get 0))
          (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))))""")
    callback = Callback(Closure(0, depth), Closure(0, 0))
    outcome = pair.callback(callback, Reply(b""), pair.initial_state(), ENVIRONMENT)
    assert isinstance(outcome, Returned if depth == 999 else Trapped)


def test_an_imported_function_may_be_a_method() -> None:
    outcome = run('(module (import "ic0" "msg_reply" (func $reply)) (export "canister_update go" (func $reply)))')
    assert isinstance(outcome, Returned)
    assert outcome.response == Reply(b"")


# Executions at the edges of the System API.

STABLE = """(import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
    (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))"""
CALL_NEW = '(import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))'
PERFORM = '(import "ic0" "call_perform" (func $perform (result i32)))'
COST_OF_KEYS = " ".join(
    f'(import "ic0" "cost_{name}" (func ${name} (param i32 i32 i32 i32) (result i32)))'
    for name in ("sign_with_ecdsa", "sign_with_schnorr", "vetkd_derive_key")
)
EDGES = {
    "stable write from outside of the heap": f"""(module {STABLE} (memory 1) (func (export "canister_update go")
        (drop (call $grow (i64.const 1))) (call $write (i64.const 0) (i64.const 65530) (i64.const 8192))))""",
    "stable read to outside of the heap": f"""(module {STABLE} (memory 1) (func (export "canister_update go")
        (drop (call $grow (i64.const 1))) (call $read (i64.const 65530) (i64.const 0) (i64.const 8192))))""",
    "stable write of nothing": f"""(module {STABLE} (memory 1) (func (export "canister_update go")
        (drop (call $grow (i64.const 1))) (call $write (i64.const 65536) (i64.const 65536) (i64.const 0))))""",
    "stable write of a huge size": f"""(module {STABLE} (memory 1) (func (export "canister_update go")
        (drop (call $grow (i64.const 1))) (call $write (i64.const 0) (i64.const 0) (i64.const -1))))""",
    "method name that is no text": f"""(module {CALL_NEW} {PERFORM} (memory 1) (data (i32.const 0) "a\\ff\\feb")
        (func (export "canister_update go")
        (call $new (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)
                   (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)) (drop (call $perform))))""",
    **{
        f"{name} with key {key!r} and curve {curve}": f"""(module {COST_OF_KEYS} (memory 1)
        (data (i32.const 0) "{key}") (func (export "canister_update go") (i32.store (i32.const 100)
        (call ${name} (i32.const 0) (i32.const {len(key)}) (i32.const {curve}) (i32.const 4096)))))"""
        for name in ("sign_with_ecdsa", "sign_with_schnorr", "vetkd_derive_key")
        for key in ("key_1", "test_key_1", "key_2", "")
        for curve in (0, 1, 2)
    },
    "cost of an HTTP outcall": """(module
        (import "ic0" "cost_http_request" (func $cost (param i64 i64 i32))) (memory 1)
        (func (export "canister_update go") (call $cost (i64.const 1000) (i64.const 20000) (i32.const 0))))""",
    "a charge of no 64-bit number": """(module
        (import "ic0" "msg_arg_data_copy" (func $copy (param i64 i64 i64))) (memory i64 1)
        (func (export "canister_update go") (i64.store (i64.const 0) (i64.const 1))
        (call $copy (i64.const 0) (i64.const 0) (i64.const -1))))""",
    "a large fill": """(module (memory i64 1) (func (export "canister_update go")
        (i64.store (i64.const 0) (i64.const 1)) (memory.fill (i64.const 0) (i32.const 1) (i64.const -1))))""",
}


@pytest.mark.parametrize("limit", [PROFILE.limits.message_instructions, 30_000, 3_000, 1_500, 10])
@pytest.mark.parametrize("name", EDGES)
def test_an_execution_at_an_edge_has_the_same_outcome(name: str, limit: int) -> None:
    run(EDGES[name], evolve(ENVIRONMENT, instruction_limit=limit))


def test_an_execution_accesses_only_so_many_pages_of_stable_memory() -> None:
    limits = evolve(PROFILE.limits, stable_pages_in_message=3, stable_pages_in_query=2)
    environment = evolve(ENVIRONMENT, profile=evolve(PROFILE, limits=limits))
    text = f"""(module {STABLE} (memory 1)
        (func $go (drop (call $grow (i64.const 1))) (call $write (i64.const 4000) (i64.const 0) (i64.const 200))
          (call $read (i64.const 0) (i64.const 4095) (i64.const 2)))
        (func (export "canister_update go") (call $go))
        (func (export "canister_query peek") (call $go))
        (func (export "canister_query two") (call $go) (call $read (i64.const 0) (i64.const 50000) (i64.const 1)))
        (func (export "canister_update three") (call $go) (call $read (i64.const 0) (i64.const 50000) (i64.const 1)))
        (func (export "canister_update four") (call $go) (call $read (i64.const 0) (i64.const 50000) (i64.const 1))
          (call $read (i64.const 0) (i64.const 60000) (i64.const 1))))"""
    pair = load_pair(binary(text), environment.profile)
    assert pair is not None
    state = pair.initial_state()
    assert isinstance(pair.update("go", state, environment), Returned)
    assert isinstance(pair.query("peek", state, environment), Returned)
    assert isinstance(pair.query("two", state, environment), Trapped)
    assert isinstance(pair.update("three", state, environment), Returned)
    assert isinstance(pair.update("four", state, environment), Trapped)


def test_the_pages_of_a_heap_are_not_charged_when_instructions_run_out() -> None:
    outcome = run(
        """(module (memory 1) (func (export "canister_update go")
        (i32.store (i32.const 0) (i32.const 1)) (loop (br 0))))""",
        evolve(ENVIRONMENT, instruction_limit=100),
    )
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.OUT_OF_INSTRUCTIONS
    assert outcome.instructions_used == 100


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("memory", ["", "(memory 1)", "(memory 3)"])
def test_an_upgrade_starts_in_the_same_state(memory: str, keeps: bool) -> None:
    before = loaded('(module (memory 2) (data (i32.const 9) "kept"))').initial_state()
    after = loaded(f'(module {memory} (global (mut i32) (i32.const 7)) (func (export "canister_update go")))')
    state = after.upgraded_state(before, keeps)
    admitted = [side.admits_heap(state.wasm_memory.wasm_pages) for side in (after.specification, after.reference)]
    assert admitted == [bool(memory) or not keeps] * 2
    if all(admitted):
        after.update("go", state, ENVIRONMENT)


# Which modules are refused.

SECTION = {"public": b"icp:public a", "private": b"icp:private a", "other": b"icp:other a", "none": b"icp:public "}


def with_sections(*names: bytes) -> bytes:
    sections = b"".join(b"\0" + bytes([len(name) + 2, len(name)]) + name + b"x" for name in names)
    return binary("(module)") + sections


ODD_TEXTS = {
    "two memories": "(module (memory 1) (memory 1))",
    "a shared memory": "(module (memory 1 2 shared))",
    "a memory that starts too large": "(module (memory 65537))",
    "a memory of 64 bits that starts too large": "(module (memory i64 98305))",
    "a memory of 64 bits that is as large as it may": "(module (memory i64 98304))",
    "an unknown import": '(module (import "ic0" "nothing" (func)))',
    "an import from elsewhere": '(module (import "env" "msg_reply" (func)))',
    "an import of the wrong type": '(module (import "ic0" "msg_reply" (func (param i32))))',
    "an imported memory": '(module (import "ic0" "memory" (memory 1)))',
    "an imported global": '(module (import "ic0" "g" (global i32)))',
    "a 32-bit import in a 64-bit module": '(module (import "ic0" "stable_size" (func (result i32))) (memory i64 1))',
    "a 64-bit import in such a module": '(module (import "ic0" "msg_caller_size" (func (result i64))) (memory i64 0))',
    "an unknown entry point": '(module (func (export "canister_updat go")))',
    "a method without name": '(module (func (export "canister_update ")))',
    "a method kind alone": '(module (func (export "canister_update")))',
    "a method with parameters": '(module (func (export "canister_update go") (param i32)))',
    "a hook with a result": '(module (func (export "canister_init") (result i32) (i32.const 1)))',
    "an entry point that is no function": '(module (memory (export "canister_update go") 1))',
    "a method twice": '(module (func (export "canister_update a")) (func (export "canister_query a")))',
    "a method twice as composite": '(module (func (export "canister_query a") (export "canister_composite_query a")))',
    "a data segment outside": '(module (memory 1) (data (i32.const 65535) "ab"))',
    "a data segment at the end": '(module (memory 1) (data (i32.const 65536) ""))',
    "an empty data segment outside": '(module (memory 1) (data (i32.const 65537) ""))',
    "a data segment at a negative offset": '(module (memory 1) (data (i32.const -1) "a"))',
    "a passive data segment": '(module (memory 1) (data "ab"))',
    "an element segment outside": "(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))",
    "an element segment at the end": "(module (table 1 funcref) (func $f) (elem (i32.const 0) $f))",
    "a table of externref": "(module (table 1 externref))",
    "two tables": "(module (table 1 funcref) (table 2 funcref))",
    "a table of 64 bits": "(module (table i64 1 funcref))",
    "a large table": "(module (table 1000000 funcref))",
    "a huge table": "(module (table 10000001 funcref))",
    "a mutable global with a reference": "(module (global (mut funcref) (ref.null func)))",
    "an exported global with a reference": '(module (global (export "g") funcref (ref.null func)))',
    "a constant global with a reference": "(module (global funcref (ref.null func)))",
    "a global from another one": "(module (global $a i32 (i32.const 1)) (global i32 (global.get $a)))",
    "a computed global": "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    "a computed offset": '(module (memory 1) (data (i32.add (i32.const 1) (i32.const 2)) "a"))',
    "table.set": "(module (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))",
    "table.get": "(module (table 1 funcref) (func (drop (table.get (i32.const 0)))))",
    "table.size": "(module (table 1 funcref) (func (drop (table.size))))",
    "table.grow": "(module (table 1 funcref) (func (drop (table.grow (ref.null func) (i32.const 1)))))",
    "table.fill": "(module (table 1 funcref) (func (table.fill (i32.const 0) (ref.null func) (i32.const 1))))",
    "table.copy": "(module (table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 1))))",
    "table.init": "(module (table 1 funcref) (elem func) (func i32.const 0 i32.const 0 i32.const 1 table.init 0))",
    "elem.drop": "(module (table 1 funcref) (elem func) (func (elem.drop 0)))",
    "threads": "(module (memory 1) (func (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))",
    "an atomic fence": "(module (func (atomic.fence)))",
    "exceptions": "(module (tag $t) (func (throw $t)))",
    "garbage collection": "(module (type (struct)) (func (drop (struct.new 0))))",
    "a typed reference": "(module (type $t (func)) (func (param (ref null $t))))",
    "call_ref": "(module (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))",
    "relaxed SIMD": "(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))",
    "wide arithmetic": "(module (func (param i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)) drop drop))",
    "a start function with a parameter": "(module (func $s (param i32)) (start $s))",
    "many results": "(module (func (result " + "i32 " * 1000 + ")" + "(i32.const 1) " * 1000 + "))",
    "too many results": "(module (func (result " + "i32 " * 1001 + ")" + "(i32.const 1) " * 1001 + "))",
    "too many parameters": "(module (func (param " + "i32 " * 1001 + ")))",
    "many tables": "(module " + "(table 0 funcref) " * 100 + ")",
    "too many tables": "(module " + "(table 0 funcref) " * 101 + ")",
    "a name that is as long as may be": f'(module (func (export "{"x" * 100_000}")))',
    "as many locals as may be": "(module (func (local " + "i32 " * 50000 + ")))",
    "too many locals": "(module (func (local " + "i32 " * 50001 + ")))",
    "as many globals as may be": "(module " + "(global i32 (i32.const 0)) " * 1000 + ")",
    "too many globals": "(module " + "(global i32 (i32.const 0)) " * 1001 + ")",
    "as many methods as may be": "(module "
    + " ".join(f'(func (export "canister_update {n}"))' for n in range(1000))
    + ")",
    "too many methods": "(module " + " ".join(f'(func (export "canister_update {n}"))' for n in range(1001)) + ")",
    "method names that are too long": f'(module (func (export "canister_update {"x" * 20001}")))',
    "method names as long as may be": f'(module (func (export "canister_update {"x" * 20000}")))',
    "a name that is very long": f'(module (func (export "{"x" * 100001}")))',
    "a complex function": "(module (func " + "(block) " * 20100 + "))",
    "a function nearly too complex": "(module (func " + "(block) " * 19600 + "))",
    "an export of an import": '(module (import "ic0" "msg_reply" (func $r)) (export "canister_update go" (func $r)))',
    "an invalid body": "(module (func (result i32)))",
    "deep nesting": "(module (func " + "(block " * 900 + ")" * 900 + "))",
}


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_an_odd_module_is_refused_by_both_engines_or_by_none(name: str) -> None:
    load_pair(binary(ODD_TEXTS[name]), PROFILE)


EMPTY = binary("(module)")
CODE = binary("(module (func))")
ODD_BINARIES = {
    "nothing": b"",
    "half a header": EMPTY[:6],
    "another version": EMPTY[:4] + b"\2\0\0\0",
    "a component": EMPTY[:4] + b"\r\0\1\0",
    "an unknown section": EMPTY + b"\x0e\x00",
    "a tag section": EMPTY + b"\x0d\x01\x00",
    "a section that is cut": EMPTY + b"\x01\x05\x01",
    "a section twice": EMPTY + b"\x01\x01\x00\x01\x01\x00",
    "sections out of order": EMPTY + b"\x03\x01\x00\x01\x01\x00",
    "a long number": EMPTY + b"\x01\x81\x80\x80\x80\x00\x00",
    "a number that is too long": EMPTY + b"\x01\x81\x80\x80\x80\x80\x00\x00",
    "a number with bits too many": EMPTY + b"\x01\x81\x80\x80\x80\x70\x00",
    "a huge count of types": EMPTY + b"\x01\x05\xff\xff\xff\xff\x0f",
    "a custom section without name": EMPTY + b"\x00\x00",
    "a custom section whose name is no text": EMPTY + b"\x00\x02\x01\xff",
    "a custom section with a long name": EMPTY + b"\x00\xa4\x8d\x06\xa1\x8d\x06" + b"x" * 100_001,
    "bytes behind": CODE + b"\x00",
    "a cut body": CODE[:-1],
    "a public section": with_sections(SECTION["public"]),
    "a public and a private section of one name": with_sections(SECTION["public"], SECTION["private"]),
    "a section of neither kind": with_sections(SECTION["other"]),
    "a section without a name of its own": with_sections(SECTION["none"]),
    "a section with a prefix in capitals": with_sections(b"ICP:public a"),
    "a section with the prefix alone": with_sections(b"icp:"),
    "a section named like its kind": with_sections(b"icp:public"),
    "as many sections as may be": with_sections(*(b"icp:public %d" % n for n in range(16))),
    "too many sections": with_sections(*(b"icp:public %d" % n for n in range(17))),
    "a compressed module": gzip.compress(EMPTY),
    "two compressed parts": gzip.compress(EMPTY[:3]) + gzip.compress(EMPTY[3:]),
    "a cut compressed module": gzip.compress(EMPTY)[:-3],
    "rubbish behind a compressed module": gzip.compress(EMPTY) + b"rubbish",
    "a module compressed twice": gzip.compress(gzip.compress(EMPTY)),
    "the start of a gzip stream": b"\x1f\x8b\x08",
    "the start of the start of a gzip stream": b"\x1f\x8b",
}


@pytest.mark.parametrize("name", ODD_BINARIES)
def test_odd_bytes_are_refused_by_both_engines_or_by_none(name: str) -> None:
    load_pair(ODD_BINARIES[name], PROFILE)


def test_a_module_that_unpacks_to_too_much_is_refused_by_both() -> None:
    assert load_pair(gzip.compress(EMPTY + b"\0" * (PROFILE.limits.module_size)), PROFILE) is None


def many_exports_of_a_wide_type(number: int, others: int) -> bytes:
    """Exports of a function with 999 parameters, and of a global."""
    functions = "".join(f'(export "f{index}" (func $f))' for index in range(number))
    variables = "".join(f'(export "g{index}" (global $g))' for index in range(others))
    return binary(f"(module (func $f (param {'i32 ' * 999})) (global $g i32 (i32.const 0)) {functions} {variables})")


@pytest.mark.parametrize(("number", "others", "is_accepted"), [(988, 900, True), (989, 1001, False), (990, 0, False)])
def test_a_module_whose_type_is_too_large_is_refused_by_both(number: int, others: int, is_accepted: bool) -> None:
    assert (load_pair(many_exports_of_a_wide_type(number, others), PROFILE) is not None) == is_accepted


def four_bytes(number: int) -> bytes:
    """A number of at most 28 bits in LEB128."""
    return bytes((0x80 | number & 0x7F, 0x80 | number >> 7 & 0x7F, 0x80 | number >> 14 & 0x7F, number >> 21))


def wide_body(size: int) -> bytes:
    """A module with a function of so many bytes: constants of 16 bytes that are dropped."""
    constants, rest = divmod(size - 2, 19)
    body = b"\0" + (b"\xfd\x0c" + bytes(16) + b"\x1a") * constants + b"\x01" * rest + b"\x0b"
    section = b"\x01" + four_bytes(size) + body
    return EMPTY + b"\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a" + four_bytes(len(section)) + section


def test_a_function_body_of_too_many_bytes_is_refused_by_both() -> None:
    assert load_pair(wide_body(10_000), PROFILE) is not None
    assert load_pair(wide_body(7_654_322), PROFILE) is None


WHOLE = binary(
    """(module (import "ic0" "msg_reply" (func $r)) (memory 1) (table funcref (elem $f))
    (global (mut i64) (i64.const 5)) (func $f (param i32) (call $r))
    (func (export "canister_update go") (call_indirect (i32.const 0))) (data (i32.const 8) "data"))"""
)


def test_every_truncation_of_a_module_has_the_same_fate() -> None:
    refused = sum(load_pair(WHOLE[:length], PROFILE) is None for length in range(len(WHOLE)))
    assert refused > len(WHOLE) - 20


def test_every_change_of_one_byte_of_a_module_has_the_same_fate() -> None:
    fates = []
    for position in range(8, len(WHOLE), 2):
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, WHOLE[position] ^ 1, WHOLE[position] ^ 0x40):
            changed = WHOLE[:position] + bytes([byte]) + WHOLE[position + 1 :]
            fates.append(load_pair(changed, PROFILE) is None)
    assert fates.count(True) > 150
    assert fates.count(False) > 25
