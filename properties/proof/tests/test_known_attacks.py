"""Ways in which a wrong rule could once be proved: each is refuted, or refused with file and line."""

import pytest

from properties.proof.tests.attacking import Attack, failures, report_of

ATTACKS = [
    Attack(
        "a law found on one path is used on another without what was assumed there",
        "cycles are conserved",
        helpers='''
def nobody(state: State, much: int) -> bool:
    """No canister has anything, if much is moved."""
    return state.canisters.every(lambda _, other: other.balance <= 0 if much > 5 else True)
''',
        conditions="""
if canister.version == 0:
    require(not amount > 5 or nobody(state, amount), "nobody has anything, or it is little")
    base = 0
else:
    require(not amount > 5, "it is little")
    require(nobody(state, amount), "nobody has anything")
    base = canister.balance""",
        extra="0 - base",
    ),
    Attack(
        "an error inside a statement about all elements is forgotten on another path",
        "is not defined for every element",
        helpers='''
def is_rich(state: State, much: int, one: Principal) -> bool:
    """Somebody has something, if much is moved."""
    if much > 5:
        return state.canisters[one].balance >= 0
    return True
''',
        choices="somebody: Principal",
        conditions="""
if amount <= 5:
    require(state.canisters.every(lambda _, other: is_rich(state, amount, somebody)), "somebody is rich")
else:
    require(state.canisters.every(lambda _, other: is_rich(state, amount, somebody)), "somebody is rich")""",
        is_refused=True,
    ),
    Attack(
        "two queues are the same though an item is at other ends",
        "cycles are conserved",
        conditions="""
require(amount in state.messages, "the message exists")
message = state.messages[amount]""",
        extra="0 if state.messages.append(message) == state.messages.prepend(message) else 1",
    ),
    Attack(
        "two lists are the same though an item is at other places",
        "cycles are conserved",
        conditions="""
require(not canister.logs.is_empty(), "there are logs")
record, others = canister.logs.take(0)""",
        extra="0 if canister.logs.replace(0, record) == others.append(record) else 1",
    ),
    Attack(
        "two maps of known keys are the same though their values differ",
        "cycles are conserved",
        helpers='''
EMPTY: Map[SnapshotId, Snapshot] = Map()


def size_with(snapshot: Snapshot, name: Blob) -> int:
    """What a map of this snapshot alone takes."""
    return memory_usage_of_snapshots(EMPTY.set(SnapshotId(b"k"), evolve(snapshot, certified_data=name)))
''',
        choices="name: Blob, snapshot_id: SnapshotId",
        conditions="""
require(snapshot_id in canister.snapshots, "the snapshot exists")
snapshot = canister.snapshots[snapshot_id]""",
        extra="size_with(snapshot, name) - size_with(snapshot, Blob(b''))",
    ),
    Attack(
        "a captured name gets another value before the function is called",
        "cycles are conserved",
        before="""
more = 1
changed = state.canisters.change_where(lambda _, each: True, lambda each: evolve(each, balance=each.balance + more))
more = 0""",
        step="Step(evolve(after, canisters=changed))",
    ),
    Attack(
        "a natural number becomes negative in a map that is known",
        "naturals are not negative",
        helpers="""
EMPTY: Map[SnapshotId, Snapshot] = Map()
""",
        choices="snapshot_id: SnapshotId",
        conditions="""
require(snapshot_id in canister.snapshots, "the snapshot exists")
early = evolve(canister.snapshots[snapshot_id], taken_at=0 - 5)
changed = evolve(canister, snapshots=EMPTY.set(SnapshotId(b"k"), early))""",
        step="Step(evolve(after, canisters=state.canisters.set(canister_id, changed)))",
        obligations=frozenset({"naturals are not negative"}),
    ),
    Attack(
        "a divisor may be zero",
        "may be zero",
        conditions="""
require(amount // canister.reserved_balance >= 0, "a quotient")""",
        is_refused=True,
    ),
    Attack(
        "what a decorator does is not seen",
        "cycles are conserved",
        helpers='''
def generous(function: Callable[..., Credited]) -> Callable[..., Credited]:
    """Adds a cycle."""
    return wraps(function)(lambda amount, added: Credited(function(amount, added).total + 1, 0))


@generous
def sum_of(amount: Cycles, added: Cycles) -> Credited:
    """The sum."""
    return credited(amount, added)
''',
        extra="sum_of(amount, 0).total - amount",
    ),
    Attack(
        "a map that may have entries counts as true",
        "the truth of the unknown value",
        extra="1 if not canister.snapshots else 0",
        is_refused=True,
    ),
    Attack(
        "a set that may be empty counts as true",
        "the truth of the unknown value",
        conditions="names = module_of(state.profile, code_of(canister)).query_methods",
        extra="0 if names else 1",
        is_refused=True,
    ),
    Attack(
        "an unknown member of an enumeration is no member",
        "`is`",
        extra="1 if canister.low_memory_hook is HookStatus.CONDITION_NOT_SATISFIED else 0",
        is_refused=True,
    ),
    Attack(
        "an unknown truth value is not True",
        "`is`",
        extra="1 if (state.canisters.every(lambda _, other: other.balance >= 0) is True) else 0",
        is_refused=True,
    ),
    Attack(
        "an unknown number is no int",
        "cycles are conserved",
        extra="1 if isinstance(canister.installed_at, int) else 0",
    ),
    Attack(
        "an unknown blob is no bytes",
        "cycles are conserved",
        extra="1 if isinstance(canister.certified_data, bytes) else 0",
    ),
    Attack(
        "an unknown number does not match int()",
        "cycles are conserved",
        helpers='''
def extra_of(canister: Canister) -> int:
    """One for a canister with code."""
    match canister.installed_at:
        case int():
            return 1
        case _:
            return 0
''',
        extra="extra_of(canister)",
    ),
    Attack(
        "an unknown member of an enumeration of numbers is no number",
        "cycles are conserved",
        choices="code: RejectCode",
        extra="1 if code == 4 else 0",
    ),
    Attack(
        "a text that names an unknown value is not the text that it would be",
        "a text of the unknown value",
        choices="name: str",
        extra="1 if '{}'.format(name) == 'name' else 0",
        is_refused=True,
    ),
    Attack(
        "a converter changes what is put into a field",
        "is converted or validated",
        helpers='''
@frozen
class Purse:
    """Seven coins a piece."""

    coins: Cycles = field(converter=lambda amount: amount - amount % 7)
''',
        choices="purse: Purse",
        extra="amount - evolve(purse, coins=amount).coins",
        is_refused=True,
    ),
    Attack(
        "an error is caught where the lint does not look",
        "contains try",
        helpers='''
class Safe:
    """Catches what the prover says."""

    @staticmethod
    def extra(state: State, argument: Blob) -> int:
        try:
            return state.messages.total(lambda _: 0) + 0 * len({argument: 1}) + 1
        except Exception:
            return 0
''',
        choices="argument: Blob",
        extra="Safe.extra(state, argument)",
        is_refused=True,
    ),
    Attack(
        "a list of the module counts the calls",
        "which may change",
        helpers="""
SEEN = list[int]()
""",
        before="SEEN.append(1)",
        extra="len(SEEN) // 100",
        is_refused=True,
    ),
    Attack(
        "an opaque function gives what its annotation excludes",
        "gift gives what its annotation says",
        helpers='''
@opaque
def gift(argument: Blob) -> Cycles:
    """A gift."""
    return -5
''',
        choices="argument: Blob",
        step="Step(evolve(after, canisters=state.canisters.set(canister_id, evolve(canister,"
        " reserved_balance=canister.reserved_balance + gift(argument)))),"
        " burned=(Burned(0 - gift(argument), BurnReason.LOST),))",
        is_refused=True,
    ),
    Attack(
        "a set has nothing in common with itself",
        "cycles are conserved",
        conditions="names = module_of(state.profile, code_of(canister)).query_methods",
        extra="0 if names.isdisjoint(names) else 1",
    ),
    Attack(
        "cycles are minted and burned at once",
        "no cycles are minted",
        step="Step(after, minted=(Minted(10**12, MintReason.PROVISIONAL),), burned=(Burned(10**12, BurnReason.LOST),))",
        obligations=frozenset({"no cycles are minted"}),
    ),
    Attack(
        "a path on which the rule is silent is left out",
        "it is silent",
        conditions="unspecified('nobody knows') if canister.balance > 5 else None",
    ),
]

RIGHT = Attack("nothing is changed", "")


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_fails(attack, tmp_path, shared_session):
    found = failures(report_of(attack, tmp_path, shared_session))
    assert any(attack.expected in name for name in found), found
    if attack.is_refused:
        assert any("attacked_" in name and ".py:" in name for name in found), found


def test_the_rule_without_an_attack_is_proved(tmp_path, shared_session):
    report = report_of(RIGHT, tmp_path, shared_session)
    assert failures(report) == []
    assert report.firing_paths == 1
