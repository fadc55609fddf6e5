"""The judge's own look: what no scenario asks for is observed too, and judged as every step is."""

from collections.abc import Callable
from itertools import chain

import pytest
from attrs import evolve

from conformance.judging.verdicts import Fail
from conformance.protocol.interface import Advanced, Description, Path, Query, Refused, Replied, Values
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.suite.looking import MISSING, NO_CONTROLLER, Looking
from conformance.suite.looking_at_code import can_tell, questions
from conformance.suite.people import ALICE
from conformance.tests.planted.bugs import BlackBox
from spec.certification.certificate import SELF_DESCRIBING_TAG
from spec.rules.hashes import hash_of_blob
from spec.state.canister import Canister, Code
from spec.state.label import Label
from spec.state.state import State
from spec.transition import Step
from spec.values.candid import Message, encode, field_id, read_as_sent
from spec.values.canister_terms import Public
from spec.values.identifiers import Blob, Principal
from spec.values.quantities import Count, Nanoseconds

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
ANSWERING = "requests/a_canister_answers"
Change = Callable[[Canister], Canister]


def judged(implementation: BlackBox, scenario_id: str, looking: Looking) -> Case:
    """The case of one scenario on an implementation in this process."""
    manner = Manner(looking=looking)
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), manner)


class ChangesCanisters(BlackBox):
    """Whenever a message was executed, something about every canister with code is otherwise."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change

    def taken(self, label: Label, fired: Step) -> State:
        state = super().taken(label, fired)
        if label.rule != "message_execution":
            return state
        for canister_id, canister in state.canisters.items():
            if isinstance(canister.code, Code):
                state = evolve(state, canisters=state.canisters.set(canister_id, self._change(canister)))
        return state


def with_counter(canister: Canister) -> Canister:
    """A counter in the heap of the scripted canister is 1."""
    assert isinstance(canister.code, Code)
    wasm_state = canister.code.wasm_state
    heap = wasm_state.wasm_memory.with_bytes(1_024, b"\x01")
    return evolve(canister, code=evolve(canister.code, wasm_state=evolve(wasm_state, wasm_memory=heap)))


def with_stable_page(canister: Canister) -> Canister:
    """The stable memory has a page."""
    assert isinstance(canister.code, Code)
    wasm_state = canister.code.wasm_state
    stable = wasm_state.stable_memory.with_pages(1, ())
    return evolve(canister, code=evolve(canister.code, wasm_state=evolve(wasm_state, stable_memory=stable)))


CHANGES: dict[str, tuple[Change, str]] = {
    "a counter of the heap": (with_counter, "the query 'query' gave"),
    "a page of stable memory": (with_stable_page, "canister_status"),
    "the certified data": (lambda each: evolve(each, certified_data=b"other"), "the query 'query' gave"),
    "the timer": (lambda each: evolve(each, global_timer=2**63), "the system came to rest with"),
    "the history": (
        lambda each: evolve(each, history=evolve(each.history, total_changes=each.history.total_changes + 1)),
        "the system came to rest with",
    ),
    "the chunks": (
        lambda each: evolve(each, chunk_store=each.chunk_store.set(hash_of_blob(b"chunk"), b"chunk")),
        "canister_status",
    ),
    "the visibility of logs": (
        lambda each: evolve(each, settings=evolve(each.settings, log_visibility=Public())),
        "canister_status",
    ),
    "the version": (lambda each: evolve(each, version=0), "canister_status"),
}
"""What is changed, and what the failure tells of it."""


@pytest.mark.parametrize("what", CHANGES)
def test_what_no_scenario_asks_for_is_seen_at_the_end(what: str) -> None:
    """The same scenario passes if the judge does not look."""
    change, told = CHANGES[what]
    unseen = judged(ChangesCanisters(change), ANSWERING, Looking.NEVER)
    assert unseen.verdict.name == "pass"
    seen = judged(ChangesCanisters(change), ANSWERING, Looking.AT_THE_END)
    assert isinstance(seen.verdict, Fail)
    assert told in seen.verdict.why
    assert seen.verdict.allowed


def test_what_code_tells_is_named_where_it_is_otherwise() -> None:
    """By the names under which the scripted canister tells it."""
    told = judged(ChangesCanisters(with_counter), ANSWERING, Looking.AT_THE_END).verdict
    assert isinstance(told, Fail)
    assert told.allowed[0].startswith("counters.0 is (1 : nat64), not (0 : nat64); all of it: ")


def test_what_code_tells_at_once_is_what_it_tells_apart() -> None:
    """Names and values; behind them, where nobody has to search, the certificate."""
    implementation = BlackBox()
    assert judged(implementation, ANSWERING, Looking.NEVER).verdict.name == "pass"
    canister_id, canister = next(each for each in implementation.current.canisters.items() if can_tell(each[1]))

    def told(question: Blob) -> Message:
        """What the canister replies to a question, without a certificate."""
        asked = Query(b"", implementation.current.system_time, ALICE, canister_id, "query", question)
        answer = implementation.query(asked, canister_id)
        assert isinstance(answer, Replied)
        read = read_as_sent(answer.data.partition(SELF_DESCRIBING_TAG)[0] or encode([], []))
        assert isinstance(read, Message)
        return read

    for is_order_known, count in ((True, 1), (False, 2)):
        asked = questions(canister, True, True, is_order_known)
        assert len(asked.at_once) == count
        both = [[told(each).values for each in several] for several in (asked.at_once, asked.apart)]
        at_once, apart = [dict(chain.from_iterable(value.items() for (value,) in filter(None, each))) for each in both]
        assert at_once == apart
        assert at_once.keys() == set(map(field_id, asked.names))


class HashesOtherwise(BlackBox):
    """What is certified of modules is the hash of something else."""

    def read(self, sender: Principal, effective_id: Principal, paths: list[Path]) -> Values | Refused:  # type: ignore[override]
        seen = super().read(sender, effective_id, paths)
        if isinstance(seen, Refused):
            return seen
        pairs = zip(paths, seen.values, strict=True)
        return Values(tuple(hash_of_blob(b"") if path[-1] == b"module_hash" else value for path, value in pairs))


def test_the_certified_state_is_read() -> None:
    """No path of the scenario leads there."""
    assert judged(HashesOtherwise(), ANSWERING, Looking.NEVER).verdict.name == "pass"
    assert judged(HashesOtherwise(), ANSWERING, Looking.AT_THE_END).verdict.name == "fail"


class ErrsForAWhile(BlackBox):
    """When it came to rest for the second time, the certified data are others."""

    rested = 0

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        advanced = super().advance(rounds, nanoseconds)
        self.rested += 1
        state = self.current
        for canister_id, canister in state.canisters.items():
            wrong = evolve(canister, certified_data=b"wrong" if self.rested == 2 else b"")
            state = evolve(state, canisters=state.canisters.set(canister_id, wrong))
        self._state = state
        return advanced


def test_what_is_wrong_in_between_is_seen_after_each_settling() -> None:
    """At the end it is right again."""
    scenario_id = "calls/calls_keep_their_order"
    assert judged(ErrsForAWhile(), scenario_id, Looking.AT_THE_END).verdict.name == "pass"
    assert judged(ErrsForAWhile(), scenario_id, Looking.AFTER_EACH_SETTLING).verdict.name == "fail"
    assert judged(BlackBox(), scenario_id, Looking.AFTER_EACH_SETTLING).verdict.name == "pass"


class LacksMetrics(BlackBox):
    """There is no `canister_metrics`, and it says so."""

    def describe(self) -> Description:
        return evolve(super().describe(), missing=frozenset({"canister_metrics"}))


def test_what_is_left_out_is_counted_with_the_reason() -> None:
    """And everything else is observed."""
    whole = judged(BlackBox(), ANSWERING, Looking.AT_THE_END).looked
    assert whole.observations > 10
    assert MISSING not in whole.left_out
    partly = judged(LacksMetrics(), ANSWERING, Looking.AT_THE_END).looked
    assert partly.left_out[MISSING] == 1
    assert partly.observations == whole.observations - 1


def test_a_canister_that_no_user_controls_is_observed_as_far_as_anybody_may() -> None:
    """What only controllers are told is left out."""
    case = judged(BlackBox(), "information/immutable", Looking.AT_THE_END)
    assert case.verdict.name == "pass"
    assert case.looked.left_out[NO_CONTROLLER] >= 3


def test_nothing_is_observed_where_the_scenario_ended_the_instance() -> None:
    """It passes all the same."""
    case = judged(BlackBox(), "protocol/end_after_stop", Looking.AT_THE_END)
    assert (case.verdict.name, case.looked.observations) == ("pass", 0)


def test_a_judge_that_comes_to_no_end_while_it_looks_passes_nobody() -> None:
    """What the specification leaves out of a look is one thing, what the judge had no time for another."""
    chosen, black_box = SCENARIOS[ANSWERING], BlackBox()
    without = run_scenario(chosen, black_box, black_box.describe(), Manner(looking=Looking.NEVER))
    assert without.verdict.name == "pass"
    case = run_scenario(chosen, black_box, black_box.describe(), Manner(steps=without.effort["steps"]))
    assert (case.verdict.name, "is used up" in case.verdict.why) == ("inconclusive", True)
