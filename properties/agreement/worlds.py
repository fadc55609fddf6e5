"""The random world in which specification and reference implementation run in lockstep."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import call, ignore, loop_forever, program, sequence
from properties.agreement.actions import EVERYTHING_MAY_BE_SPENT, Actions, ByCanister, ByUser
from properties.agreement.beginnings import (
    AMOUNTS,
    CANISTERS,
    EVERYBODY,
    MODULES,
    NEIGHBOURS,
    USERS,
    crowded,
    neighbours,
)
from properties.agreement.lockstep import SUBNET, SYSTEM_TASKS, Lockstep, enabled_of
from properties.strategies.labels import labels as any_labels
from properties.strategies.management import ManagementCall, controls, installations, management_calls
from properties.strategies.outside import outside_calls
from properties.strategies.programs import calling_programs, init_programs, programs
from properties.strategies.services import (
    chunk_calls,
    information_calls,
    snapshot_calls,
    uses_of_cycles,
)
from spec.machine import SPONTANEOUS, enabled
from spec.profile import Profile, load_profile
from spec.state.canister import Canister
from spec.state.label import Label
from spec.state.request import Endpoint
from spec.state.state import State
from spec.transition import RULES
from spec.values import management
from spec.values.canister_terms import Public, SnapshotSource
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MethodName, Principal
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles, Nanoseconds
from spec.values.rejects import RejectCode

SETTINGS = (
    management.SettingsArguments(freezing_threshold=2**50),
    EVERYTHING_MAY_BE_SPENT,
    management.SettingsArguments(minimum_incoming_canister_call_cycles=10**9),
    management.SettingsArguments(wasm_memory_limit=2**20, wasm_memory_threshold=2**20),
    management.SettingsArguments(snapshot_visibility=Public(), status_visibility=Public()),
)
"""Frozen; everything may be spent; calls must bring cycles; the heap is nearly full; everybody may look."""
DURATIONS: tuple[Nanoseconds, ...] = (NANOSECONDS_PER_SECOND, 300 * NANOSECONDS_PER_SECOND)
"""A little time, and so much that calls and requests expire."""
BURN_ALL = ignore(ic0.cycles_burn128(2**100))
WRITE = sequence(*[ic0.debug_print(b"x" * 256)] * 3)
SET_TIMER = ignore(ic0.global_timer_set(1))
UNWILLING = ("stop_canister", "uninstall_code", SETTINGS[0], SETTINGS[2], BURN_ALL)
"""What makes a canister reject the calls of others."""
TASKS_WAIT = 8
"""Heartbeats and timers are always possible; they are considered one time in so many."""
SCHEDULED = 12
"""How many labels one draw takes at most."""

EXPIRY = ("call_expiry_of_call_context", "call_expiry_of_message", "call_expiry_of_stop_call", "drop_expired_message")
"""What becomes of calls whose time is over."""

fired: Counter[str] = Counter()
"""Over all runs of this process, how often each rule fired."""
failed: Counter[str] = Counter()
"""Over all runs of this process, why executions failed."""
chosen: Counter[str] = Counter()
"""Over all runs of this process, how often each choice of executions had a value of its own."""

CHOICES_OF_EXECUTIONS = st.fixed_dictionaries(
    {},
    optional={
        "refused_calls": st.sampled_from([(0,), (1,), (0, 1, 2, 3)]),
        "refused_growths": st.sampled_from([(0,), (1,), (0, 1, 2, 3)]),
        "trapping_growths": st.sampled_from([(0,), (1,), (2, 3)]),
        "deadlines_in_seconds": st.booleans(),
        "system_records": st.sampled_from([(b"[TRAP]: why",), (None,), (b"", b"two")]),
        "keeps_logs": st.booleans(),
    },
)


PICKS = st.integers(0, 2**16)
CALLING = st.builds(ByCanister, st.sampled_from(EVERYBODY), st.sampled_from([*[10**12] * 6, 10**8, 0]))
ANYBODY = st.one_of(st.builds(ByUser, st.sampled_from((USERS[0], *USERS))), CALLING)


def expiry_or_refund(state: State, *, refunds_cycles: bool) -> list[Label]:
    """What may become of calls whose time is over; the cycles of those that are dropped come back or do not."""
    return [
        Label(label.rule, {**label.arguments(), "refunds_cycles": refunds_cycles})
        if label.rule == "drop_expired_message"
        else label
        for label in enabled_of(state, EXPIRY)
    ]


class LockstepMachine(Actions):
    """Users submit, the system schedules in any order, time passes; both sides agree after every label."""

    def build(self, profile: Profile, canisters: Mapping[CanisterId, Canister]) -> Lockstep:
        """Both sides at the beginning."""
        return Lockstep(profile, canisters=canisters)

    @initialize(
        amounts=st.tuples(*[st.sampled_from(AMOUNTS)] * len(EVERYBODY)),
        thresholds=st.tuples(*[st.sampled_from([0, 0, 2_592_000])] * len(CANISTERS)),
        modules=st.tuples(*[st.sampled_from(MODULES)] * (len(CANISTERS) + 1)),
        argument=init_programs(),
        is_crowded=st.booleans(),
        choices=CHOICES_OF_EXECUTIONS,
    )
    def begin(
        self,
        amounts: tuple[int, ...],
        thresholds: tuple[int, ...],
        modules: tuple[bytes, ...],
        argument: bytes,
        is_crowded: bool,
        choices: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Canisters on two subnets that control each other; most of them have code, if they can pay for it."""
        profile = load_profile("small-world")
        profile = crowded(profile) if is_crowded else profile
        self.lockstep = self.build(profile, neighbours(profile, amounts[-1]))
        self.choose_about_executions(choices)
        for canister_id, amount, threshold in zip(CANISTERS, amounts, thresholds, strict=False):
            chosen = management.SettingsArguments(
                controllers=List((USERS[0], *EVERYBODY)), freezing_threshold=threshold
            )
            created = management.ProvisionalCreateArguments(amount=amount, settings=chosen, specified_id=canister_id)
            self.manage(("provisional_create_canister_with_cycles", management.encode_arguments(created)))
            self.lockstep.settle()
        for canister_id, module in zip((*CANISTERS, NEIGHBOURS[0]), modules, strict=True):
            self.install(canister_id, module, argument)
            self.lockstep.settle()

    # What the system chooses.

    @rule(choices=CHOICES_OF_EXECUTIONS)
    def choose_about_executions(self, choices: Mapping[str, Any]) -> None:
        """From now on executions have these choices, where they fit."""
        self.lockstep.execution_choices = dict(choices)

    # What users do.

    @rule(
        user=st.sampled_from(USERS),
        canister_id=st.sampled_from(EVERYBODY),
        method=st.sampled_from(["update", "update", "update", "query", "missing"]),
        argument=programs(CANISTERS),
    )
    def call(self, user: Principal, canister_id: Principal, method: MethodName, argument: bytes) -> None:
        self.lockstep.submit(user, canister_id, method, argument)

    @rule(canister_id=st.sampled_from(EVERYBODY), argument=calling_programs(EVERYBODY))
    def call_at_once(self, canister_id: Principal, argument: bytes) -> None:
        """A canister calls others, and its call context stays open."""
        self.overtake(self.lockstep.submit(USERS[0], canister_id, "update", argument)[0])

    @rule(
        user=st.sampled_from((USERS[0], *USERS)),
        call=management_calls(CANISTERS, USERS, MODULES, init_programs()),
    )
    def manage_canister(self, user: Principal, call: ManagementCall) -> None:
        self.manage(call, user)

    @rule(user=st.sampled_from(USERS), is_admin=st.booleans(), is_provisional=st.booleans())
    def create_at_the_subnet(self, user: Principal, is_admin: bool, is_provisional: bool) -> None:
        """Somebody creates a canister at the endpoint of the subnet, as its only admin or as nobody."""
        admins: List[Principal] = List.of(user) if is_admin else List()
        self.lockstep.take(Label("subnet_admins_change", {"subnet_id": SUBNET.subnet_id, "admins": admins}))
        method, arguments = "create_canister", management.encode_arguments(management.CreateCanisterArguments())
        if is_provisional:
            provisional = management.ProvisionalCreateArguments(amount=0)
            method, arguments = "provisional_create_canister_with_cycles", management.encode_arguments(provisional)
        self.lockstep.submit(user, MANAGEMENT_CANISTER, method, arguments, SUBNET.subnet_id, Endpoint.SUBNET)

    @rule(
        call=st.one_of(
            controls(EVERYBODY),
            installations(EVERYBODY, MODULES, init_programs()),
            management_calls(EVERYBODY, USERS, MODULES, init_programs()),
        )
    )
    def manage_at_once(self, call: ManagementCall) -> None:
        """A management call overtakes everything else, so that it meets open call contexts."""
        self.overtake(self.manage(call))

    # Services of the management canister.

    @rule(who=ANYBODY, draw=st.data(), count=st.integers(1, 6), pick=PICKS)
    def use_chunks(self, who: ByUser | ByCanister, draw: st.DataObject, count: int, pick: int) -> None:
        for _ in range(count):
            calls = chunk_calls(EVERYBODY, MODULES, self.stored_modules())
            self.ask(who, [draw.draw(self.some(calls, pick))], pick)

    @rule(who=ANYBODY, draw=st.data(), count=st.integers(1, 6), pick=PICKS)
    def use_snapshots(self, who: ByUser | ByCanister, draw: st.DataObject, count: int, pick: int) -> None:
        for _ in range(count):
            calls = snapshot_calls(EVERYBODY, MODULES, self.snapshots(), self.snapshots(SnapshotSource.METADATA_UPLOAD))
            self.ask(who, [draw.draw(self.some(calls, pick))], pick)

    @rule(who=CALLING, draw=st.data(), count=st.integers(1, 6), pick=PICKS)
    def ask_for_information(self, who: ByCanister, draw: st.DataObject, count: int, pick: int) -> None:
        calls = [*information_calls(EVERYBODY), *uses_of_cycles(EVERYBODY), controls(EVERYBODY)]
        for _ in range(count):
            self.ask(who, [draw.draw(self.some(calls, pick))], pick)

    @rule(who=CALLING, draw=st.data(), count=st.integers(1, 6), pick=PICKS)
    def ask_the_outside_world(self, who: ByCanister, draw: st.DataObject, count: int, pick: int) -> None:
        for _ in range(count):
            self.ask(who, [draw.draw(self.some(outside_calls(CANISTERS), pick))], pick)

    # Situations.

    @rule(
        canister_id=st.sampled_from(EVERYBODY),
        situation=st.one_of(st.sampled_from(SETTINGS), st.sampled_from(DURATIONS)),
    )
    def bring_into_a_situation(
        self, canister_id: Principal, situation: management.SettingsArguments | Nanoseconds
    ) -> None:
        """Settings change, or time passes."""
        match situation:
            case management.SettingsArguments():
                self.change_settings(canister_id, situation)
            case int():
                self.lockstep.advance(situation)

    @rule(
        canister_id=st.sampled_from(EVERYBODY),
        action=st.sampled_from([WRITE, BURN_ALL, SET_TIMER, SET_TIMER, loop_forever()]),
    )
    def wear_out(self, canister_id: Principal, action: Action) -> None:
        """A canister writes a log that is too long, burns what it can, wants to be woken, or never ends."""
        able = self.made_able(canister_id)
        for _ in range(6 if action is WRITE else 1):
            self.run(able, action)
        self.take_some_rule(list(enabled_of(self.lockstep.state, ["canister_log_trimming"])), 0, 0)

    @rule(
        caller=st.sampled_from(EVERYBODY),
        callee=st.sampled_from(EVERYBODY),
        how=st.sampled_from(UNWILLING),
        pick=st.integers(0, 2**16),
    )
    def call_one_that_is_unwilling(
        self, caller: Principal, callee: Principal, how: MethodName | management.SettingsArguments | Action, pick: int
    ) -> None:
        """A canister is stopped, emptied, frozen, made poor or demanding; then another one calls it with no cycles."""
        match how:
            case management.SettingsArguments():
                self.change_settings(callee, how)
            case str():
                self.control(how, callee)
            case _:
                self.change_settings(callee, EVERYTHING_MAY_BE_SPENT)
                self.run(callee, how)
        self.ask_canister(caller, [(callee, "update", program())], 0, pick)

    @rule(
        canister_id=st.sampled_from(EVERYBODY),
        new_canister_id=st.sampled_from(EVERYBODY),
        pick=st.integers(0, 2**16),
        and_start=st.booleans(),
    )
    def rename(self, canister_id: CanisterId, new_canister_id: CanisterId, pick: int, and_start: bool) -> None:
        """Two canisters stop, and one of them gets the id of the other if they are on different subnets."""
        for one in (canister_id, new_canister_id):
            if not self.has_stopped(one):
                self.control("stop_canister", one)
            if not self.has_stopped(one):
                self.lockstep.settle()
        labels = list(enabled_of(self.lockstep.state, ["canister_renaming"]))
        wanted = [one for one in labels if one.arguments()["new_canister_id"] == new_canister_id]
        if labels:
            self.take_one(wanted or labels, pick)
        if and_start:
            for one in (canister_id, new_canister_id):
                self.control("start_canister", one)

    @rule(
        caller=st.sampled_from(EVERYBODY),
        callee=st.sampled_from(EVERYBODY),
        what=st.sampled_from(["waits", "runs", "stops"]),
        pick=st.integers(0, 2**16),
    )
    def let_a_call_expire(self, caller: CanisterId, callee: CanisterId, what: str, pick: int) -> None:
        """The time of a call is over while it waits, while its callee waits for others, or while its callee stops."""
        waiting = program(call(caller, "update", program()))
        wanted = (callee, "update", waiting)
        if what == "stops":
            self.ask_canister(callee, [(caller, "update", program())], 0, None)
            argument = management.encode_arguments(management.CanisterIdArguments(callee))
            wanted = (MANAGEMENT_CANISTER, "stop_canister", argument)
        self.made_able(callee)
        self.ask_canister(caller, [wanted], 0, None if what == "waits" else 0, timeout=1)
        self.lockstep.advance(DURATIONS[1])
        self.take_some_rule(list(enabled_of(self.lockstep.state, EXPIRY)), pick, pick)
        self.take_some_rule(expiry_or_refund(self.lockstep.state, refunds_cycles=pick % 2 == 1), pick, pick)

    @rule(canister_id=st.sampled_from(EVERYBODY), more=st.sampled_from(["stop_canister", "start_canister", ""]))
    def stop_while_calls_are_open(self, canister_id: CanisterId, more: MethodName) -> None:
        """A canister stops while it waits for a response; then it is stopped again, or started, or left alone."""
        self.ask_canister(canister_id, [(canister_id, "update", program())], 0, None)
        self.control("stop_canister", canister_id)
        if more:
            self.control(more, canister_id)

    @rule(amount=st.sampled_from(AMOUNTS), is_deleted=st.booleans())
    def create(self, amount: Cycles, is_deleted: bool) -> None:
        """A canister is created and stopped twice; it may be deleted soon."""
        before = set(self.lockstep.state.canisters.keys())
        created = management.ProvisionalCreateArguments(amount=amount)
        self.overtake(self.manage(("provisional_create_canister_with_cycles", management.encode_arguments(created))))
        for canister_id in set(self.lockstep.state.canisters.keys()) - before:
            self.control("stop_canister", canister_id)
            self.control("stop_canister", canister_id)
            if is_deleted:
                self.control("delete_canister", canister_id)

    # What the system does.

    @rule(picks=st.lists(st.integers(0, 2**16), min_size=1, max_size=SCHEDULED))
    def schedule(self, picks: list[int]) -> None:
        for pick in picks:
            labels = enabled(self.lockstep.state)
            if pick % TASKS_WAIT:
                labels = [label for label in labels if label.rule not in SYSTEM_TASKS]
            if labels:
                self.take_one(labels, pick)

    @rule(rule_pick=st.integers(0, 2**16), pick=st.integers(0, 2**16))
    def schedule_some_rule(self, rule_pick: int, pick: int) -> None:
        labels = [one for one in enabled(self.lockstep.state) if one.rule != "heartbeat_context_creation"]
        self.take_some_rule(labels, rule_pick, pick)

    @rule(
        rule_picks=st.lists(st.integers(0, 2**16), min_size=1, max_size=4),
        pick=st.integers(0, 2**16),
        code=st.sampled_from(RejectCode),
    )
    def interfere(self, rule_picks: list[int], pick: int, code: RejectCode) -> None:
        for rule_pick in rule_picks:
            labels = enabled_of(self.lockstep.state, sorted(SPONTANEOUS))
            self.take_some_rule([one for one in labels if one.arguments().get("code", code) == code], rule_pick, pick)

    @rule(canister_id=st.sampled_from(EVERYBODY), pick=PICKS)
    def give_up_a_request(self, canister_id: CanisterId, pick: int) -> None:
        """A request is rejected before anything was done about it."""
        self.manage(("canister_status", management.encode_arguments(management.CanisterIdArguments(canister_id))))
        self.take_some_rule(list(enabled_of(self.lockstep.state, ["request_rejection"])), 0, pick)

    @rule(draw=st.data(), count=st.integers(1, 8))
    def try_labels(self, draw: st.DataObject, count: int) -> None:
        """Labels that may be enabled or not; they are refused or taken."""
        for _ in range(count):
            self.lockstep.take(draw.draw(any_labels(self.lockstep.state)))
            self.lockstep.finish_execution()

    def teardown(self) -> None:
        """The world comes to rest, if it was begun at all: the generator may have given up before."""
        if not hasattr(self, "lockstep"):
            return
        self.lockstep.settle()
        fired.update(self.lockstep.fired)
        failed.update(self.lockstep.failures)
        chosen.update(self.lockstep.chosen)
        for name in self.lockstep.fired:
            event(f"rule {name}")


def forget() -> None:
    """What was done so far no longer counts."""
    fired.clear()
    failed.clear()
    chosen.clear()


def summary() -> dict[str, Any]:
    """What the runs since then did."""
    never = sorted(RULES.keys() - fired.keys())
    return {
        "labels": sum(fired.values()),
        "rules": dict(fired),
        "failures": dict(failed),
        "chosen": dict(chosen),
        "never": never,
    }
