"""What the engine keeps of its canisters is compared with what it would find out anew, after every label."""

import pytest
from attrs import evolve

from conformance.canisters.library import load
from properties.agreement.lockstep import Disagreement
from properties.agreement.stage import Stage
from reference_impl.environments.kept_environment import CallPrices
from reference_impl.messages.pending_function import method_start
from spec.state.request import Done

MODULE = load("scripted")


@pytest.fixture
def stage():
    return Stage()


def changed_threshold(canister):
    canister.settings = evolve(canister.settings, freezing_threshold=canister.settings.freezing_threshold + 1)


def one_more_chunk(canister):
    canister.chunk_store[b"hash"] = b"chunk"


def other_usage(canister):
    kept = canister.standing
    object.__setattr__(kept, "memory_usage", kept.memory_usage + 1)


def other_price(canister):
    canister.standing.prices[10**6] += 1


def other_method(canister):
    (name,) = canister.standing.methods
    canister.standing.methods[name] = canister.standing.methods[name]._replace(price=0)


def other_easy_heap(canister):
    object.__setattr__(canister.standing, "largest_easy_heap", 0)


def other_price_of_calls(canister):
    canister.standing.environments[0].prices[False] = CallPrices(1, 2)


def other_limit_of_executions(canister):
    canister.standing.environments[0].freezing_limits[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (changed_threshold, "freezing limit"),
        (one_more_chunk, "memory usage"),
        (other_usage, "memory usage"),
        (other_price, "prices of executions"),
        (other_method, "how methods start"),
        (other_easy_heap, "largest easy heap"),
        (other_price_of_calls, "prices of calls"),
        (other_limit_of_executions, "freezing limits of executions"),
    ],
)
def test_what_changes_without_being_told_is_found(stage, change, found):
    canister_id = stage.installed(MODULE)
    instance = stage.lockstep.engine.instance
    canister = instance.canisters[canister_id]
    instance.price_of_execution(canister, 10**6)
    method_start(instance, canister, "update")
    stage.lockstep.compare_states()
    change(canister)
    # The state itself is made to agree, so that only what is kept is left to differ.
    stage.lockstep.state = stage.lockstep.engine.abstract()
    with pytest.raises(Disagreement, match=f"kept of canister [0-9a-f]+: {found}"):
        stage.lockstep.compare_states()


def one_message_more(instance):
    instance.messages.guaranteed_memory += 1


def one_call_begun_less(instance):
    instance.contexts.guaranteed -= 1


def one_stop_call_more(instance):
    instance.guaranteed_stop_calls += 1


@pytest.mark.parametrize("change", [one_message_more, one_call_begun_less, one_stop_call_more])
def test_another_figure_of_the_memory_of_messages_is_found(stage, change):
    stage.installed(MODULE)
    stage.lockstep.compare_states()
    change(stage.lockstep.engine.instance)
    with pytest.raises(Disagreement, match="kept of messages: memory of calls without bound"):
        stage.lockstep.compare_states()


def other_certified_data(instance, canister_id):
    instance.canisters[canister_id].certified_data = b"other"


def a_canister_less(instance, canister_id):
    del instance.canisters[canister_id]


def another_status(instance, canister_id):
    request_id, known = next(iter(instance.ingress.items()))
    instance.ingress.by_id[request_id] = evolve(known, status=Done())


@pytest.mark.parametrize("change", [other_certified_data, a_canister_less, another_status])
def test_what_is_certified_and_changes_without_being_told_is_found(stage, change):
    canister_id = stage.installed(MODULE)
    stage.lockstep.compare_states()
    change(stage.lockstep.engine.instance, canister_id)
    stage.lockstep.state = stage.lockstep.engine.abstract()
    with pytest.raises(Disagreement, match="the state tree has something old of [0-9a-f]+"):
        stage.lockstep.compare_states()
