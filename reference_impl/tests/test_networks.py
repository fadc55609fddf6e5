"""An instance with several subnets: where canisters are created, which ids they get, and what they pay."""

import pytest
from attrs import evolve

from reference_impl.authentication.certificates import certificate_of as read
from reference_impl.authentication.certificates import is_valid, value_at
from reference_impl.certification.signing import certificate_of, signer_of
from reference_impl.reads.state_tree import signing, state_tree
from reference_impl.subnet.network import HostedSubnet, Network, numbered_id, numbered_range
from reference_impl.subnet.outside_world import DeterministicWorld, Later
from spec.state.canister import Subnet
from spec.state.label import Label
from spec.values.identifiers import MANAGEMENT_CANISTER, self_authenticating_id
from spec.values.management import (
    CreateCanisterArguments,
    HttpRequestArguments,
    HttpResponse,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    decode_result,
    encode_arguments,
)
from spec.values.rejects import Reject, RejectCode, Reply


def hosted(number, *, is_free=False):
    """A subnet with its own secret and a thousand canister ids; the first is the one on which tests are staged."""
    signer = signer_of(bytes([number + 1]) * 32)
    return HostedSubnet(
        Subnet(signer.subnet_id if number else self_authenticating_id(b"subnet"), 13 + number),
        signer.public_key,
        bytes([number + 1]) * 32,
        ranges=(numbered_range(1000 * number, 1000 * number + 999),),
        is_free=is_free,
        first_node=100 * number,
    )


ROOT, SECOND, FREE = hosted(0), hosted(1), hosted(2, is_free=True)


class Waiting(DeterministicWorld):
    """Answers nothing at once."""

    def answer(self, call):
        return Later()


@pytest.fixture
def stage(new_stage):
    """An engine with three subnets, the first of which is the root subnet."""
    network = Network([ROOT, SECOND, FREE], ROOT.public_key, ROOT.secret)
    return new_stage(ROOT.public_key, world=Waiting(), network=network)


class Relay:
    """Calls the management canister for those who tell it what to call, and keeps what it got."""

    def __init__(self, script, method, arguments, cycles):
        self.got = []
        self._call = (MANAGEMENT_CANISTER, method, encode_arguments(arguments))
        self._cycles = cycles
        self.script = script(updates={"relay": self._make_call}, callbacks={1: self._keep, 2: self._keep})

    def _make_call(self, entry):
        return entry.returns(calls=[entry.call(*self._call, cycles=self._cycles)])

    def _keep(self, entry):
        self.got.append((entry.response, entry.refunded))
        return entry.returns(b"")


def echo(script):
    """A module whose method gives back what it is given."""
    return script(updates={"echo": lambda entry: entry.returns(entry.argument)})


def created_at(stage, effective_id, **more):
    reply = stage.call(
        MANAGEMENT_CANISTER,
        "provisional_create_canister_with_cycles",
        encode_arguments(ProvisionalCreateArguments(**more)),
        effective_id=effective_id,
    )
    return decode_canister_id_result(reply)


def test_a_canister_is_created_where_the_request_went_with_the_next_id_of_that_subnet(stage):
    assert created_at(stage, SECOND.subnet_id) == numbered_id(1000)
    assert created_at(stage, numbered_id(1500)) == numbered_id(1001)
    assert created_at(stage, ROOT.subnet_id) == numbered_id(0)
    canisters = stage.engine.instance.canisters
    assert canisters[numbered_id(1001)].subnet == SECOND.subnet
    assert canisters[numbered_id(0)].subnet == ROOT.subnet


def test_a_canister_creates_canisters_where_it_lives(stage, script):
    creator = created_at(stage, SECOND.subnet_id, amount=10**15)
    relay = Relay(script, "create_canister", CreateCanisterArguments(), 10**13)
    stage.install(creator, relay.script)
    stage.call(creator, "relay")
    ((response, refunded),) = relay.got
    made = stage.engine.instance.canisters[decode_canister_id_result(response.data)]
    price = 500_000_000_000 * SECOND.subnet.subnet_size // 13
    assert (made.canister_id, made.subnet, refunded) == (numbered_id(1001), SECOND.subnet, 0)
    assert made.balance == 10**13 - price


def test_a_canister_calls_one_of_another_subnet(stage, script):
    asking = created_at(stage, ROOT.subnet_id, amount=10**15)
    asked = created_at(stage, SECOND.subnet_id, amount=10**15)
    stage.install(asked, echo(script))
    asks = script(
        updates={"ask": lambda entry: entry.returns(calls=[entry.call(asked, "echo", entry.argument)])},
        callbacks={1: lambda entry: entry.returns(entry.response)},
    )
    stage.install(asking, asks)
    assert stage.call(asking, "ask", b"hello") == b"hello"


def test_canisters_of_a_subnet_that_is_free_pay_nothing(stage, script):
    paying = created_at(stage, SECOND.subnet_id, amount=10**15)
    free = created_at(stage, FREE.subnet_id, amount=10**15)
    for canister_id in (paying, free):
        stage.install(canister_id, echo(script))
        assert stage.call(canister_id, "echo", b"!") == b"!"
    canisters = stage.engine.instance.canisters
    assert canisters[paying].balance < 10**15
    assert canisters[free].balance == 10**15
    assert stage.engine.instance.freezing_limit(canisters[free]) == 0


def test_each_subnet_signs_what_it_says_and_the_root_subnet_delegates_to_it(stage):
    instance = stage.engine.instance
    for one in (ROOT, SECOND):
        path = (b"subnet", one.subnet_id, b"public_key")
        encoded = certificate_of(state_tree(instance), [path, (b"time",)], *signing(instance, one.subnet_id))
        certificate = read(encoded)
        assert is_valid(certificate, ROOT.public_key)
        assert value_at(certificate.tree, *path) == one.public_key
        assert (certificate.delegation is None) is (one is ROOT)
        assert not is_valid(certificate, FREE.public_key)


def test_a_subnet_that_joins_later_is_in_the_state_tree(stage):
    instance = stage.engine.instance
    state_tree(instance)
    joined = evolve(hosted(3), kind="system")
    instance.network.add(joined)
    path = (b"subnet", joined.subnet_id, b"type")
    encoded = certificate_of(state_tree(instance), [path], *signing(instance, joined.subnet_id))
    assert value_at(read(encoded).tree, *path) == b"system"


def test_an_outcall_that_leaves_holds_up_nothing_and_is_answered_when_somebody_says_what(stage, script):
    caller = created_at(stage, SECOND.subnet_id, amount=10**15)
    relay = Relay(script, "http_request", HttpRequestArguments("https://example.com", max_response_bytes=100), 10**12)
    stage.install(caller, relay.script)
    for _ in range(2):
        stage.start(caller, "relay")
        stage.engine.drain()
    messages = stage.engine.instance.messages
    first, second = messages.away
    assert stage.engine.is_quiescent
    assert relay.got == []
    assert stage.engine.take(Label("http_request", {"message_id": second, "answer": HttpResponse(404)})) is None
    assert stage.engine.take(Label("outside_call_failure", {"message_id": first, "code": 2})) is None
    stage.engine.drain()
    (reply, _), (reject, _) = relay.got
    assert isinstance(reply, Reply)
    assert decode_result("http_request", reply.data) == HttpResponse(404)
    assert isinstance(reject, Reject)
    assert reject.code is RejectCode.SYS_TRANSIENT
    assert messages.is_empty
    assert messages.away == []
