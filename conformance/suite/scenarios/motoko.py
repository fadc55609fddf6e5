"""Real canisters, compiled from Motoko: 64-bit memory, a start function, a heap that upgrades keep."""

from typing import Any

from conformance.canisters.library import load
from conformance.judging.patterns import Pattern, fails, rejects, replies, replies_where
from conformance.suite.scenario import scenario
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.candid import BLOB, CandidError, CandidType, Opt, Primitive, Record, Some, decode, encode
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.identifiers import Blob, CanisterId
from spec.values.rejects import RejectCode, RejectReason

NAT, TEXT, BOOL, PRINCIPAL = Primitive.NAT, Primitive.TEXT, Primitive.BOOL, Primitive.PRINCIPAL
NOTHING = encode((), ())
KEEP = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
REPLACE = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.REPLACE)


def value(candid_type: CandidType, data: Blob) -> Any:
    """The value of a reply. Raises `ValueError` if it has another type."""
    values = decode((candid_type,), data)
    if isinstance(values, CandidError):
        raise ValueError(values.because)
    return values[0]


def is_value(candid_type: CandidType, expected: Any) -> Pattern:
    """The reply is this value."""
    return replies_where(f"with the value {expected!r}", lambda data: value(candid_type, data) == expected)


def upgraded(stage: Stage, canister: CanisterId, name: str, mode: management.UpgradeMode = KEEP) -> None:
    """The canister has been upgraded to its own module."""
    stage.expect(stage.install(canister, load(name), NOTHING, mode), replies())


@scenario(
    "A Motoko counter counts, answers queries, and keeps its count over an upgrade",
    covers=(
        "seed1.orthogonal-persistence",
        "rule.mgmt.upgrade.persistence-options",
        "entry.start",
        "rule.mgmt.install-code.effects",
    ),
)
def counter(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("counter"), NOTHING, name="counter")
    # When
    stage.expect(stage.call(canister, NOTHING, "inc"), is_value(NAT, 1))
    stage.call(canister, encode((NAT,), (41,)), "set")
    stage.expect(stage.call(canister, NOTHING, "inc"), is_value(NAT, 42))
    upgraded(stage, canister, "counter")
    # Then
    stage.expect(stage.query(canister, NOTHING, "read"), is_value(NAT, 42))
    stage.expect(stage.query(canister, NOTHING, "read_forgotten"), is_value(NAT, 0))
    stage.expect(stage.call(canister, NOTHING, "inc"), is_value(NAT, 43))
    stage.balance(canister)


@scenario(
    "A Motoko counter is not upgraded without saying what becomes of its heap",
    covers=("rule.mgmt.upgrade.persistence-options", "error.missing-upgrade-option"),
)
def undecided_upgrade(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("counter"), NOTHING, name="counter")
    stage.call(canister, NOTHING, "inc")
    # When
    answer = stage.install(canister, load("counter"), NOTHING, management.UpgradeMode())
    # Then
    stage.expect(answer, fails(RejectReason.PERSISTENCE_OPTION_NEEDED))
    stage.expect(stage.query(canister, NOTHING, "read"), is_value(NAT, 1))


@scenario(
    "A Motoko method traps on an argument of the wrong type, and nothing changes",
    covers=("inv.prop-05-trap-rolls-back", "error.trapped-explicitly"),
)
def wrong_argument(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("counter"), NOTHING, name="counter")
    # When
    answers = [
        stage.call(canister, encode((TEXT,), ("seven",)), "set"),
        stage.call(canister, b"no Candid", "set"),
    ]
    # Then
    for answer in answers:
        stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
    stage.expect(stage.query(canister, NOTHING, "read"), is_value(NAT, 0))


@scenario(
    "Two Motoko canisters send each other cycles, and what is not accepted comes back",
    covers=("inv.prop-10-cycles-conserved", "api.msg-cycles-accept128", "api.msg-cycles-refunded128"),
)
def pair(stage: Stage) -> None:
    # Given
    left = stage.create_with_code(load("pair"), NOTHING, name="left")
    right = stage.create_with_code(load("pair"), NOTHING, name="right")
    # When
    answer = stage.call(left, encode((PRINCIPAL, NAT, NAT), (right, 1_000_000, 300_000)), "send")
    # Then
    taken = Record({"accepted": NAT, "offered": NAT, "refunded": NAT})
    stage.expect(answer, is_value(taken, {"accepted": 300_000, "offered": 1_000_000, "refunded": 700_000}))
    stage.expect(stage.query(right, NOTHING, "report"), is_value(Record({"received": NAT}), {"received": 300_000}))
    stage.balance(left)
    stage.balance(right)


@scenario(
    "A Motoko registry keeps its entries over an upgrade that keeps the heap",
    covers=("seed1.orthogonal-persistence", "rule.mgmt.upgrade.persisted-state"),
)
def registry(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("registry"), NOTHING, name="registry")
    for name, content in (("one", b"1"), ("two", b"2"), ("one", b"uno")):
        stage.expect(stage.call(canister, encode((TEXT, BLOB), (name, content)), "put"), replies())
    # When
    upgraded(stage, canister, "registry")
    # Then
    stage.expect(stage.query(canister, encode((TEXT,), ("one",)), "get"), is_value(Opt(BLOB), Some(b"uno")))
    stage.expect(stage.query(canister, encode((TEXT,), ("three",)), "get"), is_value(Opt(BLOB), None))
    stage.expect(stage.query(canister, NOTHING, "size"), is_value(NAT, 2))


@scenario(
    "What a Motoko method did before an await that ends in a trap is kept, what it did after is not",
    covers=("inv.prop-02-call-splits-execution", "inv.prop-05-trap-rolls-back", "entry.cleanup-callback"),
)
def awaiter(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("awaiter"), NOTHING, name="awaiter")
    # When
    trapped = stage.call(canister, encode((BOOL,), (True,)), "await_self")
    fine = stage.call(canister, encode((BOOL,), (False,)), "await_self")
    at_once = stage.call(canister, NOTHING, "trap_at_once")
    # Then
    stage.expect(trapped, rejects(RejectCode.CANISTER_ERROR))
    stage.expect(fine, replies())
    stage.expect(at_once, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
    kept = Record({"before": NAT, "after": NAT})
    stage.expect(stage.query(canister, NOTHING, "kept"), is_value(kept, {"before": 2, "after": 1}))
    stage.balance(canister)


@scenario(
    "A Motoko canister catches the reject of a call to a canister that is gone",
    covers=("entry.reject-callback", "rule.callback-invocation.live-context"),
)
def catching(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("awaiter"), NOTHING, name="awaiter")
    empty = stage.create(name="an empty canister")
    # When
    answer = stage.call(canister, encode((PRINCIPAL,), (empty,)), "catch_peer")
    # Then
    stage.expect(answer, is_value(BOOL, True))


@scenario(
    "A Motoko canister that is reinstalled, or upgraded without its heap, begins anew",
    covers=("rule.mgmt.install-code.effects", "rule.mgmt.upgrade.persisted-state"),
)
def begin_anew(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("counter"), NOTHING, name="counter")
    stage.call(canister, encode((NAT,), (7,)), "set")
    # When
    stage.expect(stage.install(canister, load("counter"), NOTHING, management.ReinstallMode()), replies())
    stage.expect(stage.query(canister, NOTHING, "read"), is_value(NAT, 0))
    stage.call(canister, encode((NAT,), (8,)), "set")
    stage.install(canister, load("counter"), NOTHING, REPLACE)
    # Then
    stage.query(canister, NOTHING, "read")
