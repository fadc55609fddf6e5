"""Instances: what is asked for, what comes of it, and how they end."""

import base64

import pytest

from reference_impl.server.pocket_ic.configuration import FEATURES, GENESIS
from reference_impl.server.pocket_ic.tests.in_process import SPEC, configuration, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER
from spec.values.identifiers import principal_from_text, principal_to_text


def ranges(told):
    """The canister ids of a subnet, as texts."""
    return [
        tuple(principal_to_text(base64.b64decode(one[end]["canister_id"])) for end in ("start", "end"))
        for one in told["canister_ranges"]
    ]


def test_an_instance_has_the_subnets_that_were_asked_for(client):
    instance = client.create(nns=1, sns=1, ii=1, fiduciary=1, bitcoin=1, system=2, application=2)
    told = instance.get("_/topology")["subnet_configs"]
    kinds = [one["subnet_kind"] for one in told.values()]
    assert kinds == ["NNS", "SNS", "II", "Fiduciary", "Bitcoin", "System", "System", "Application", "Application"]
    assert [one["size"] for one in told.values()] == [40, 34, 34, 34, 13, 13, 13, 13, 13]
    assert all(len(one["subnet_seed"]) == 32 for one in told.values())
    assert len({bytes(one["subnet_seed"]) for one in told.values()}) == 9
    assert instance.created["topology"] == instance.get("read/topology")


def test_named_subnets_have_the_canister_ids_of_production_and_each_subnet_a_range_of_its_own(client):
    first, second = client.create(nns=1, application=1).get("read/topology")["subnet_configs"].values()
    assert ranges(first) == [
        ("rwlgt-iiaaa-aaaaa-aaaaa-cai", "renrk-eyaaa-aaaaa-aaada-cai"),
        ("qoctq-giaaa-aaaaa-aaaea-cai", "n5n4y-3aaaa-aaaaa-p777q-cai"),
        ("lxzze-o7777-77777-aaaaa-cai", "x47dp-5x777-77777-p777q-cai"),
    ]
    assert ranges(second)[0][0] == "7tjcv-pp777-77776-qaaaa-cai"


@pytest.mark.parametrize(
    ("subnets", "kind"),
    [
        ({"nns": 1, "system": 1, "verified_application": 1, "application": 1}, "Application"),
        ({"nns": 1, "system": 1, "verified_application": 1}, "VerifiedApplication"),
        ({"nns": 1, "system": 1}, "System"),
        ({"nns": 1, "sns": 1}, "NNS"),
    ],
)
def test_canisters_of_which_nothing_is_said_are_created_on_an_application_subnet_if_there_is_one(client, subnets, kind):
    instance = client.create(**subnets)
    told = instance.get("read/topology")
    chosen = next(one for one in told["subnet_configs"].values() if one["subnet_kind"] == kind)
    assert told["default_effective_canister_id"] == chosen["canister_ranges"][-1]["start"]
    canister_id = instance.create_canister()
    assert text(canister_id) == chosen["canister_ranges"][-1]["start"]["canister_id"]


def test_instances_do_not_share_anything(client):
    one, other = client.create(), client.create()
    canister_id = one.created_with(COUNTER)
    assert one.post("read/get_subnet", {"canister_id": text(canister_id)}) is not None
    assert other.post("read/get_subnet", {"canister_id": text(canister_id)}) is None


def test_a_deleted_instance_is_gone_and_its_number_is_not_used_again(client):
    first = client.create()
    assert client.get("/instances") == ["Available"]
    assert client.request("DELETE", f"/instances/{first.number}/").status == 200
    assert client.get("/instances") == ["Deleted"]
    assert first.fails("update/tick", {}) == "Instance was deleted"
    assert client.request("GET", first.path("read/get_time")).message == "Instance was deleted"
    assert client.request("DELETE", f"/instances/{first.number}").status == 200
    assert client.create().number == 1
    assert client.get("/instances") == ["Deleted", "Available"]


@pytest.mark.parametrize("number", ["0", "7", "x", "-1", "²", "9" * 40, "%20"])
def test_an_instance_that_never_was_is_not_found(client, number):
    answered = client.request("POST", f"/instances/{number}/update/tick", {})
    assert (answered.status, answered.message) == (400, "Instance not found")
    assert client.request("DELETE", f"/instances/{number}").status == 200


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"subnet_config_set": {}}, "SubnetConfigSet must contain at least one subnet"),
        (
            {"icp_features": {"registry": None, "sns": "DefaultConfig", "ii": "DefaultConfig", "new": "DefaultConfig"}},
            "The features sns, ii, new are not served: system canisters are needed",
        ),
        ({"bitcoind_addr": ["127.0.0.1:18444"]}, "bitcoind_addr is not served"),
        ({"dogecoind_addr": ["127.0.0.1:18444"]}, "dogecoind_addr is not served"),
        ({"mainnet_nns_subnet_id": True}, "mainnet_nns_subnet_id is not served"),
        (
            {"initial_time": {"Timestamp": {"nanos_since_epoch": GENESIS - 1}}},
            f"The initial timestamp (unix timestamp in nanoseconds) must be no earlier than {GENESIS} "
            f"(provided {GENESIS - 1}).",
        ),
        ({"subnet_config_set": {"application": [{"state_config": {"FromBlobStore": "x"}}]}}, "The state config"),
        ({"subnet_config_set": {"nns": {**SPEC, "cost_schedule": "Free"}}}, "A subnet of kind NNS can have neither"),
        ({"subnet_config_set": {"cloud_engine": [SPEC]}}, "A subnet of kind CloudEngine must"),
        (
            {"subnet_config_set": {"application": [{**SPEC, "subnet_admins": [{"principal_id": "BA=="}]}]}},
            "A subnet with subnet admins must have the cost schedule Free.",
        ),
        ({"http_gateway_config": {"ip_addr": "192.0.2.1"}}, "Failed to bind to address 192.0.2.1:0"),
        ({"http_gateway_config": {"https_config": {}}}, "TLS config could not be created"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(client, changes, because):
    assert client.refusal({**configuration(application=1), **changes}).startswith(because)
    assert all(status == "Deleted" for status in client.get("/instances"))


@pytest.mark.parametrize("name", FEATURES)
def test_each_feature_that_needs_system_canisters_is_refused_by_its_name(client, name):
    asked = {**configuration(application=1), "icp_features": {name: "DefaultConfig"}}
    assert client.refusal(asked) == (
        f"The feature {name} is not served: system canisters are needed whose modules are not installed here."
    )


def test_features_that_are_not_wanted_and_members_that_nobody_knows_do_not_matter(client):
    body = {
        **configuration(application=1),
        "icp_features": {"ii": None},
        "icp_config": {"beta_features": "Enabled"},
        "log_level": None,
        "something": [1],
    }
    assert client.create_of(body).number == 0


def test_an_instance_begins_at_the_time_that_was_asked_for(client):
    asked = {"initial_time": {"Timestamp": {"nanos_since_epoch": GENESIS + 5}}}
    assert client.create_of({**configuration(application=1), **asked}).time == GENESIS + 6
    assert client.create(application=3).time == GENESIS + 3


def test_an_id_of_production_makes_a_subnet_that_has_it(client):
    instance = client.create(nns=1)
    wanted = principal_from_text("zzztf-6qaaa-aaaah-qfsaa-cai")
    assert instance.create_canister(specified_id=wanted) == wanted
    told = instance.get("read/topology")["subnet_configs"]
    assert [one["subnet_kind"] for one in told.values()] == ["NNS", "Application"]
    (subnet_id,) = (name for name, one in told.items() if one["subnet_kind"] == "Application")
    asked = instance.post("read/get_subnet", {"canister_id": text(wanted)})
    assert asked == {"subnet_id": text(principal_from_text(subnet_id))}
    assert instance.create_canister({"SubnetId": asked["subnet_id"]}) != wanted


def test_an_instance_that_measures_has_no_limit_of_instructions(client):
    body = {"subnet_config_set": {"application": [{**SPEC, "instruction_config": "Benchmarking"}]}}
    told = client.create_of(body).get("read/topology")["subnet_configs"]
    assert [one["instruction_config"] for one in told.values()] == ["Benchmarking"]
