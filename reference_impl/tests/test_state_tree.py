"""The state tree follows an instance by what changes, however many canisters and requests do not."""

import pytest
from attrs import evolve

from reference_impl.certification import hash_trees
from reference_impl.engine import Engine
from reference_impl.reads.state_tree import StateTree, state_tree
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ingress_history import MOST_NOTED, Asker, IngressHistory
from spec.profile import load_profile
from spec.state.canister import Settings, Subnet
from spec.state.request import Done, Replied, Request
from spec.values.identifiers import Principal, RequestId, numbered_canister_id, self_authenticating_id

NOW = 1_700_000_000_000_000_000
SUBNET = Subnet(self_authenticating_id(b"subnet"), 13)
PROFILE = load_profile()


def a_request(number):
    return Request(number.to_bytes(8, "big"), NOW, Principal(b"\x04"), Principal(b"\x04"), "go", b"")


def request_id(number):
    return RequestId(number.to_bytes(32, "big"))


def add_canister(instance, number):
    settings = Settings.of_creator(Principal(b"\x04"), PROFILE.defaults)
    instance.add_canister(CanisterRecord(numbered_canister_id(number), settings, SUBNET, NOW, NOW, 10**12))


@pytest.fixture
def instance():
    instance = Engine(PROFILE, SUBNET, NOW, b"root key").instance
    for number in range(300):
        add_canister(instance, number)
        instance.ingress.receive(request_id(number), a_request(number), Principal(b"\x04"))
    return instance


@pytest.fixture
def hashed(monkeypatch):
    """How many nodes were hashed."""
    done = []
    original = hash_trees._hashed

    def counting(kind, *parts):
        done.append(kind)
        return original(kind, *parts)

    monkeypatch.setattr(hash_trees, "_hashed", counting)
    return done


def anew(instance):
    """The tree that somebody makes who has not followed the instance. Nobody else follows it any more then."""
    return StateTree(instance).current(instance).hash


def a_canister_certifies(instance):
    instance.certifies(instance.canisters[numbered_canister_id(7)], b"data")


def a_canister_goes(instance):
    instance.delete_canister(instance.canisters[numbered_canister_id(7)])


def a_canister_comes(instance):
    add_canister(instance, 1_000)


def settings_change(instance):
    canister = instance.canisters[numbered_canister_id(7)]
    canister.settings = evolve(canister.settings, controllers=canister.settings.controllers.append(Principal(b"a")))
    instance.has_changed(canister)


def a_request_comes(instance):
    instance.ingress.receive(request_id(1_000), a_request(1_000), Principal(b"\x04"))


def a_request_is_answered(instance):
    instance.ingress.change(request_id(7), Replied(b"answer"))


def a_request_goes(instance):
    instance.ingress.change(request_id(7), Done())
    instance.ingress.forget(request_id(7))


CHANGES = [
    a_canister_certifies,
    a_canister_goes,
    a_canister_comes,
    settings_change,
    a_request_comes,
    a_request_is_answered,
    a_request_goes,
]


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_only_what_lies_above_it_is_hashed_and_the_tree_is_the_one_made_anew(instance, hashed, change):
    before = state_tree(instance).hash
    assert len(hashed) > 300 * 4
    hashed.clear()
    change(instance)
    after = state_tree(instance).hash
    assert len(hashed) < 100
    assert before != after == anew(instance)


def test_all_changes_together_give_the_tree_that_is_made_anew(instance):
    state_tree(instance)
    for change in CHANGES:
        if change is not settings_change:
            change(instance)
    assert state_tree(instance).hash == anew(instance)


def test_what_changes_while_nobody_looks_is_found_when_somebody_does(instance):
    for change in CHANGES:
        if change is not settings_change:
            change(instance)
    assert state_tree(instance).hash == anew(instance)


def test_requests_that_nobody_asks_for_are_not_noted_without_bound():
    history = IngressHistory()
    history.receive(request_id(0), a_request(0), Principal(b"\x04"))
    assert history.changed(Asker.STATE_TREE) is None
    for number in range(1, MOST_NOTED + 10):
        history.receive(request_id(number), a_request(number), Principal(b"\x04"))
        history.change(request_id(number), Done())
        history.forget(request_id(number))
    assert history.changed(Asker.STATE_TREE) is None
    assert dict.fromkeys(history.changed(Asker.STATE_TREE)) == {}


def test_each_who_asks_is_told_what_has_changed_since_he_asked_last():
    history = IngressHistory()
    for one in Asker:
        assert history.changed(one) is None
    for number in range(3):
        history.receive(request_id(number), a_request(number), Principal(b"\x04"))
        assert list(history.changed(Asker.STATE_TREE)) == [request_id(number)]
    assert list(history.changed(Asker.KEEPING)) == [request_id(number) for number in range(3)]
    assert list(history.changed(Asker.KEEPING)) == list(history.changed(Asker.STATE_TREE)) == []


def test_who_has_not_asked_for_long_is_told_that_all_may_have_changed_while_another_one_asked():
    history = IngressHistory()
    for one in Asker:
        history.changed(one)
    for number in range(MOST_NOTED + 10):
        history.receive(request_id(number), a_request(number), Principal(b"\x04"))
        history.forget(request_id(number))
        assert list(history.changed(Asker.STATE_TREE)) == [request_id(number)]
    assert history.changed(Asker.KEEPING) is None
    assert list(history.changed(Asker.KEEPING)) == []
