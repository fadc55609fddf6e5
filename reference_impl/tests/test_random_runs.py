"""Random runs of the engine: cycles are conserved, references are counted, order is kept, and the claims replay."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.subnet.observations import NotTaken
from spec.state.canister import Stopping
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromCanister
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import CanisterIdArguments, UninstallCodeArguments, encode_arguments

CANISTERS = 3

ACTIONS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, CANISTERS), st.integers(0, 10**12), st.integers(0, 3)),
    st.tuples(st.just("call"), st.integers(0, CANISTERS), st.integers(0, 10**12), st.integers(0, 3)),
    st.tuples(st.just("accept"), st.integers(0, 10**12)),
    st.tuples(st.just("burn"), st.integers(0, 10**12)),
    st.tuples(st.just("reply")),
    st.tuples(st.just("trap")),
)
PLANS = st.lists(ACTIONS, max_size=4)
INPUTS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, CANISTERS - 1), PLANS),
    st.tuples(st.just("call"), st.integers(0, CANISTERS - 1), PLANS),
    st.tuples(st.sampled_from(["stop_canister", "start_canister", "uninstall_code"]), st.integers(0, CANISTERS - 1)),
    st.tuples(st.just("rounds"), st.integers(1, 4)),
)


def behaves(ids, plan):
    """A function that does what a plan says; nested calls do less and less of it."""

    def run(entry):
        calls, accepted, burned, response = [], 0, 0, None
        depth = entry.argument[0] if entry.argument else 2  # callbacks make no calls
        for action in plan:
            match action:
                case ("call", callee, cycles, less) if depth < 2:
                    target = ids[callee] if callee < len(ids) else b"nobody"
                    calls.append(entry.call(target, "go", bytes([depth + 1, less]), cycles=cycles))
                case ("accept", amount):
                    accepted = min(entry.available, accepted + amount)
                case ("burn", amount):
                    burned += amount
                case ("reply",):
                    response = b"yes"
                case ("trap",):
                    return entry.traps()
        if not entry.needs_to_respond:
            response = None
        return entry.returns(
            response, calls=calls, cycles_accepted=accepted, cycles_burned=burned, number=entry.number + 1
        )

    return run


def references(state):
    """How many unanswered calls each context has, counted the slow way."""
    counted = Counter()
    origins = [m.origin for m in state.messages if isinstance(m, CallMessage | ResponseMessage)]
    origins += [context.origin for _, context in state.call_contexts.items() if context.needs_to_respond]
    for _, canister in state.canisters.items():
        if isinstance(canister.status, Stopping):
            origins += [call.origin for call in canister.status.stop_calls]
    counted.update(origin.calling_context for origin in origins if isinstance(origin, FromCanister))
    return counted


def check_references(stage):
    contexts = stage.engine.instance.contexts
    counted = references(stage.engine.abstract())
    assert {one: contexts[one].unanswered_calls for one in contexts} == {one: counted[one] for one in contexts}
    for one in contexts:
        assert contexts.is_unreferenced(one) == (counted[one] == 0)


def set_up(stage, script, plan):
    ids = []
    go = behaves(ids, plan)
    module = script(updates={"go": go}, callbacks={1: go, 2: go})
    for _ in range(CANISTERS):
        ids.append(stage.create(module, cycles=10**13))
    return ids


def feed(stage, ids, given_input):
    match given_input:
        case ("call", index, _):
            stage.submit(ids[index], "go", b"\0")
        case ("rounds", count):
            stage.engine.drain(count)
        case (method, index):
            kind = UninstallCodeArguments if method == "uninstall_code" else CanisterIdArguments
            stage.submit(MANAGEMENT_CANISTER, method, encode_arguments(kind(ids[index])), effective_id=ids[index])


def play(new_stage, script, inputs, plan):
    stage = new_stage()
    ids = set_up(stage, script, plan)
    labels = stage.engine.explain()
    balance = stage.total_cycles()
    for given_input in inputs:
        feed(stage, ids, given_input)
        check_references(stage)
        steps = stage.engine.explain()
        labels += steps
        burned = sum(amount for step in steps for _, amount in step.observed.burned)
        minted = sum(amount for step in steps for _, amount in step.observed.minted)
        assert stage.total_cycles() == balance + minted - burned
        balance = stage.total_cycles()
    stage.engine.drain()
    assert stage.engine.is_quiescent
    labels += stage.engine.explain()
    return stage, labels


@settings(max_examples=40, deadline=None)
@given(inputs=st.lists(INPUTS, max_size=8), plan=PLANS)
def test_random_runs_conserve_cycles_count_references_and_replay(new_stage, script, inputs, plan):
    stage, steps = play(new_stage, script, inputs, plan)
    assert len(stage.engine.abstract().messages) == 0
    again = new_stage()
    again.scripts.update(stage.scripts)
    for step in steps:
        outcome = again.engine.take(step.label)
        assert not isinstance(outcome, NotTaken), (step.label, outcome)
    replayed = again.engine.explain()
    assert [step.label for step in replayed] == [step.label for step in steps]
    assert again.engine.abstract() == stage.engine.abstract()


@settings(max_examples=20, deadline=None)
@given(inputs=st.lists(INPUTS, max_size=8), plan=PLANS)
def test_an_engine_that_explains_nothing_does_the_same(new_stage, script, inputs, plan):
    stage, steps = play(new_stage, script, inputs, plan)
    silent = new_stage(explains=False)
    ids = set_up(silent, script, plan)
    for given_input in inputs:
        feed(silent, ids, given_input)
    silent.engine.drain()
    assert steps
    assert silent.engine.explain() == []
    assert silent.engine.abstract() == stage.engine.abstract()
    assert silent.engine.instance.recorder.cycles_burned == stage.engine.instance.recorder.cycles_burned


@pytest.mark.checklist("seed1.deterministic-charging")
def test_equal_inputs_give_equal_steps_and_states(new_stage, counter):
    def run():
        stage = new_stage()
        canisters = [stage.create(counter) for _ in range(3)]
        for canister in canisters * 3:
            stage.start(canister, "increment")
        stage.engine.drain()
        return stage.engine.explain(), stage.engine.abstract()

    assert run() == run()


def test_executions_of_one_sender_follow_the_order_of_its_calls(new_stage, script):
    """Calls of two senders interleave as they like; those of one keep their order."""
    stage = new_stage()
    seen = defaultdict(list)

    def note(entry):
        seen[entry.caller.principal].append(entry.argument[0])
        return entry.returns(b"")

    receiver = stage.create(script(updates={"note": note}))
    sender = script(
        updates={
            "go": lambda entry: entry.returns(
                b"", calls=[entry.call(receiver, "note", bytes([index])) for index in range(20)]
            )
        },
        callbacks={1: lambda entry: entry.returns()},
    )
    senders = [stage.create(sender), stage.create(sender)]
    for one in senders:
        stage.start(one, "go")
    stage.engine.drain()
    assert dict(seen) == {one: list(range(20)) for one in senders}
