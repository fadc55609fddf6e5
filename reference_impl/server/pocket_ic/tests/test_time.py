"""Time: what clients set, what canisters see, and what canisters pay for."""

import pytest

from reference_impl.server.pocket_ic.tests.in_process import SPEC, blob, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER

DAY = 86_400 * 10**9


def seen(instance, canister_id):
    """The time that a query sees."""
    return int.from_bytes(blob(instance.query(canister_id, "now")["Ok"]), "little")


def test_a_round_takes_one_nanosecond(instance):
    counter = instance.created_with(COUNTER)
    before = instance.time
    instance.tick()
    instance.tick()
    assert instance.time == before + 2
    assert seen(instance, counter) == before + 2


def test_a_time_that_is_set_is_that_of_the_next_round(instance):
    counter = instance.created_with(COUNTER)
    before, later = instance.time, instance.time + DAY
    assert instance.post("update/set_time", {"nanos_since_epoch": later}) is None
    assert (instance.time, seen(instance, counter)) == (later, before)
    instance.tick()
    assert (instance.time, seen(instance, counter)) == (later, later)
    instance.tick()
    assert instance.time == later + 1


def test_a_certified_time_is_seen_at_once(instance):
    counter = instance.created_with(COUNTER)
    later = instance.time + DAY
    assert instance.post("update/set_certified_time", {"nanos_since_epoch": later}) is None
    assert (instance.time, seen(instance, counter)) == (later, later)
    instance.tick()
    assert seen(instance, counter) == later + 1


@pytest.mark.parametrize("rest", ["update/set_time", "update/set_certified_time"])
def test_time_does_not_go_back(instance, rest):
    now = instance.time
    refused = instance.fails(rest, {"nanos_since_epoch": now - 1})
    assert refused == f"SettingTimeIntoPast(({now}, {now - 1}))"
    assert instance.post(rest, {"nanos_since_epoch": now}) is None
    assert instance.time == now


@pytest.mark.parametrize("time", [-1, 1 << 64, 1.5, "1", None, True])
def test_what_is_no_time_is_refused(instance, time):
    answered = instance.client.request("POST", instance.path("update/set_time"), {"nanos_since_epoch": time})
    assert answered.status == 422
    assert b"nanos_since_epoch" in answered.body


def test_canisters_pay_as_time_passes_but_on_a_free_subnet(client):
    specs = [SPEC, {**SPEC, "cost_schedule": "Free"}]
    instance = client.create_of({"subnet_config_set": {"application": specs}})
    subnets = list(instance.get("read/topology")["subnet_configs"].values())
    starts = [one["canister_ranges"][-1]["start"]["canister_id"] for one in subnets]
    paying, free = (instance.created_with(COUNTER, {"CanisterId": start}) for start in starts)

    def balances():
        return [instance.post("read/get_cycles", {"canister_id": text(one)})["cycles"] for one in (paying, free)]

    before = balances()
    instance.post("update/set_time", {"nanos_since_epoch": instance.time + 30 * DAY})
    instance.tick()
    after = balances()
    assert after[0] < before[0] - 10**7
    assert after[1] == before[1] == 100 * 10**12


def test_blockmakers_are_nodes_of_the_subnet_and_the_first_subnet_is_not_the_last(instance):
    subnet = {"subnet_id": text(instance.subnet("Application"))}
    stranger = {"subnet": subnet, "blockmaker": {"node_id": "BA=="}, "failed_blockmakers": []}
    assert instance.fails("update/tick", {"blockmakers": [stranger]}).startswith("BlockmakerNotFound(")
    both = {"first_subnet": subnet, "last_subnet": subnet}
    assert instance.fails("update/tick", both).startswith("InvalidTickConfigs(")
    assert instance.post("update/tick", {"first_subnet": subnet}) is None
    assert instance.post("update/tick", "") is None
