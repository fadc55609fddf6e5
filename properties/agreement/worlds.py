"""The random world in which specification and reference implementation run in lockstep."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from attrs import evolve
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import ignore, program
from properties.agreement.lockstep import SYSTEM_TASKS, Lockstep
from properties.strategies.management import ManagementCall, controls, management_calls
from properties.strategies.programs import calling_programs, init_programs, programs
from spec.machine import SPONTANEOUS, enabled
from spec.profile import Profile, load_profile
from spec.state.label import Label
from spec.transition import RULES
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, MethodName, Principal, RequestId, self_authenticating_id
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds
from spec.values.rejects import RejectCode

USERS = (self_authenticating_id(b"one"), self_authenticating_id(b"two"))
CANISTERS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3))
"""The ids that the first canisters of a world get."""
MODULES = (load("scripted"), load("scripted_tasks"), load("scripted_keep"))
AMOUNTS = (10**14, 10**14, 10**14, 10**14, 5 * 10**11, 10**9)
"""What canisters start with: plenty, enough for some executions, and too little."""
SITUATIONS: tuple[management.SettingsArguments | Nanoseconds | None, ...] = (
    management.SettingsArguments(freezing_threshold=2**40),
    management.SettingsArguments(freezing_threshold=0, minimum_incoming_canister_call_cycles=0),
    management.SettingsArguments(minimum_incoming_canister_call_cycles=10**9),
    NANOSECONDS_PER_SECOND,
    300 * NANOSECONDS_PER_SECOND,
    None,
)
"""Frozen; everything may be spent; calls must bring cycles; time passes; all cycles are burned."""
TASKS_WAIT = 8
"""Heartbeats and timers are always possible; they are considered one time in so many."""
SCHEDULED = 12
"""How many labels one draw takes at most."""

fired: Counter[str] = Counter()
"""Over all runs of this process, how often each rule fired."""
failed: Counter[str] = Counter()
"""Over all runs of this process, why executions failed."""


def small_limits(profile: Profile) -> Profile:
    """The profile with instruction limits that an endless loop reaches soon."""
    limits = evolve(
        profile.limits,
        message_instructions=60_000,
        query_instructions=40_000,
        inspect_message_instructions=40_000,
    )
    return evolve(profile, name=f"{profile.name}, small", limits=limits)


class LockstepMachine(RuleBasedStateMachine):
    """Users submit, the system schedules in any order, time passes; both sides agree after every label."""

    def __init__(self) -> None:
        super().__init__()
        self.lockstep = Lockstep(small_limits(load_profile()))

    @initialize(
        amounts=st.tuples(*[st.sampled_from(AMOUNTS)] * 3),
        thresholds=st.tuples(*[st.sampled_from([0, 0, 2_592_000])] * 3),
        modules=st.tuples(*[st.sampled_from(MODULES)] * 3),
        argument=init_programs(),
    )
    def begin(
        self,
        amounts: tuple[int, int, int],
        thresholds: tuple[int, int, int],
        modules: tuple[bytes, ...],
        argument: bytes,
    ) -> None:
        """Three canisters that control each other, with code if they can pay for it."""
        for canister_id, amount, threshold, module in zip(CANISTERS, amounts, thresholds, modules, strict=True):
            chosen = management.SettingsArguments(
                controllers=List((USERS[0], *CANISTERS)), freezing_threshold=threshold
            )
            created = management.ProvisionalCreateArguments(amount=amount, settings=chosen, specified_id=canister_id)
            self.manage(("provisional_create_canister_with_cycles", management.encode_arguments(created)))
            self.lockstep.settle()
            installed = management.InstallCodeArguments(management.InstallMode(), canister_id, module, argument)
            self.manage(("install_code", management.encode_arguments(installed)))
            self.lockstep.settle()

    def manage(self, call: ManagementCall, user: Principal = USERS[0]) -> RequestId | None:
        request_id, _ = self.lockstep.submit(user, MANAGEMENT_CANISTER, call[0], call[1])
        return request_id

    def take_one(self, labels: Sequence[Label], pick: int) -> None:
        """Takes one of the labels, and what must follow it."""
        assert self.lockstep.take(labels[pick % len(labels)])
        self.lockstep.finish_execution()

    @rule(
        user=st.sampled_from(USERS),
        canister_id=st.sampled_from(CANISTERS),
        method=st.sampled_from(["update", "update", "update", "query", "missing"]),
        argument=programs(CANISTERS),
    )
    def call(self, user: Principal, canister_id: Principal, method: MethodName, argument: bytes) -> None:
        self.lockstep.submit(user, canister_id, method, argument)

    @rule(
        user=st.sampled_from((USERS[0], *USERS)),
        call=management_calls(CANISTERS, USERS, MODULES, init_programs()),
    )
    def manage_canister(self, user: Principal, call: ManagementCall) -> None:
        self.manage(call, user)

    @rule(call=st.one_of(controls(CANISTERS), management_calls(CANISTERS, USERS, MODULES, init_programs())))
    def manage_at_once(self, call: ManagementCall) -> None:
        """A management call overtakes everything else, so that it meets open call contexts."""
        self.overtake(self.manage(call))

    @rule(canister_id=st.sampled_from(CANISTERS), argument=calling_programs(CANISTERS))
    def call_at_once(self, canister_id: Principal, argument: bytes) -> None:
        """A canister calls others, and its call context stays open."""
        self.overtake(self.lockstep.submit(USERS[0], canister_id, "update", argument)[0])

    @rule(canister_id=st.sampled_from(CANISTERS), situation=st.sampled_from(SITUATIONS))
    def bring_into_a_situation(
        self, canister_id: Principal, situation: management.SettingsArguments | Nanoseconds | None
    ) -> None:
        """Settings change, time passes, or a canister burns what it has above its freezing limit."""
        match situation:
            case management.SettingsArguments():
                changed = management.UpdateSettingsArguments(canister_id, situation)
                self.overtake(self.manage(("update_settings", management.encode_arguments(changed))))
            case int():
                self.lockstep.advance(situation)
            case None:
                burning = program(ignore(ic0.cycles_burn128(2**100)))
                self.overtake(self.lockstep.submit(USERS[0], canister_id, "update", burning)[0])

    def overtake(self, request_id: RequestId | None) -> None:
        """Starts a request, if it is known, and then takes what can be done about its call."""
        if request_id is None:
            return
        message_id = self.lockstep.state.messages.next_id
        assert self.lockstep.take(Label("initiate_call", {"request_id": request_id}))
        about_it = [one for one in enabled(self.lockstep.state) if one.arguments().get("message_id") == message_id]
        if about_it:
            self.take_one(about_it, 0)

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
        """Every rule that can fire is as likely as any other, however many labels it has."""
        labels = [one for one in enabled(self.lockstep.state) if one.rule != "heartbeat_context_creation"]
        if labels:
            rules = sorted({label.rule for label in labels})
            chosen = rules[rule_pick % len(rules)]
            self.take_one([label for label in labels if label.rule == chosen], pick)

    @rule(pick=st.integers(0, 2**16), code=st.sampled_from(RejectCode))
    def interfere(self, pick: int, code: RejectCode) -> None:
        labels = [
            label
            for label in enabled(self.lockstep.state, spontaneous=True)
            if label.rule in SPONTANEOUS and label.arguments().get("code", code) == code
        ]
        if labels:
            rules = sorted({label.rule for label in labels})
            self.take_one([label for label in labels if label.rule == rules[pick % len(rules)]], pick)

    def teardown(self) -> None:
        self.lockstep.settle()
        fired.update(self.lockstep.fired)
        failed.update(self.lockstep.failures)
        for name in self.lockstep.fired:
            event(f"rule {name}")


def forget() -> None:
    """What was done so far no longer counts."""
    fired.clear()
    failed.clear()


def summary() -> dict[str, Any]:
    """What the runs since then did."""
    never = sorted(RULES.keys() - fired.keys())
    return {"labels": sum(fired.values()), "rules": dict(fired), "failures": dict(failed), "never": never}
