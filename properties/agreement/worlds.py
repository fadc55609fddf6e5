"""The random world in which specification and reference implementation run in lockstep."""

from collections import Counter
from typing import Any

from attrs import evolve
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from conformance.canisters.library import load
from properties.agreement.lockstep import Lockstep
from properties.strategies.management import ManagementCall, management_calls
from properties.strategies.programs import init_programs, programs
from spec.machine import SPONTANEOUS, enabled
from spec.profile import Profile, load_profile
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, MethodName, Principal, self_authenticating_id
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectCode

USERS = (self_authenticating_id(b"one"), self_authenticating_id(b"two"))
CANISTERS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3))
"""The ids that the first canisters of a world get."""
MODULES = (load("scripted"), load("scripted_tasks"), load("scripted_keep"))
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
        amounts=st.tuples(*[st.sampled_from([10**14, 10**14, 5 * 10**11, 10**9])] * 3),
        modules=st.tuples(*[st.sampled_from(MODULES)] * 3),
        argument=init_programs(),
    )
    def begin(self, amounts: tuple[int, int, int], modules: tuple[bytes, ...], argument: bytes) -> None:
        for canister_id, amount, module in zip(CANISTERS, amounts, modules, strict=True):
            created = management.ProvisionalCreateArguments(amount=amount, specified_id=canister_id)
            self.manage(("provisional_create_canister_with_cycles", management.encode_arguments(created)))
            installed = management.InstallCodeArguments(management.InstallMode(), canister_id, module, argument)
            self.lockstep.settle()
            self.manage(("install_code", management.encode_arguments(installed)))
            self.lockstep.settle()

    def manage(self, call: ManagementCall, user: Principal = USERS[0]) -> None:
        self.lockstep.submit(user, MANAGEMENT_CANISTER, call[0], call[1])

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

    @rule(picks=st.lists(st.integers(0, 2**16), min_size=1, max_size=SCHEDULED))
    def schedule(self, picks: list[int]) -> None:
        for pick in picks:
            labels = enabled(self.lockstep.state)
            if not labels:
                return
            assert self.lockstep.take(labels[pick % len(labels)])
            self.lockstep.finish_execution()

    @precondition(lambda self: self.lockstep.state.requests)
    @rule(pick=st.integers(0, 2**16), code=st.sampled_from(RejectCode))
    def interfere(self, pick: int, code: RejectCode) -> None:
        labels = [
            label
            for label in enabled(self.lockstep.state, spontaneous=True)
            if label.rule in SPONTANEOUS and label.arguments().get("code", code) == code
        ]
        if labels:
            assert self.lockstep.take(labels[pick % len(labels)])

    @rule(seconds=st.sampled_from([1, 60, 300]))
    def advance(self, seconds: int) -> None:
        self.lockstep.advance(seconds * NANOSECONDS_PER_SECOND)

    def teardown(self) -> None:
        self.lockstep.settle()
        fired.update(self.lockstep.fired)
        failed.update(self.lockstep.failures)
        for name in self.lockstep.fired:
            event(f"rule {name}")


def summary() -> dict[str, Any]:
    """What the runs of this process did."""
    return {"labels": sum(fired.values()), "rules": dict(fired), "failures": dict(failed)}
