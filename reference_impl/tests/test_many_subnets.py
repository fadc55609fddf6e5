"""Several subnets in one process: what they certify, and what they believe of each other."""

import cbor2
import pytest

from reference_impl.authentication.certificates import certificate_of, is_valid, value_at
from reference_impl.certification.signing import ROOT_KEY, ROOT_SECRET, signer_of
from reference_impl.engine import Engine
from reference_impl.many_subnets.subnets import ManySubnets, NotBelieved
from reference_impl.rounds.production import Block
from reference_impl.subnet.network import SYSTEM, HostedSubnet, Network, numbered_range
from reference_impl.subnet.streams import (
    AnswerLetter,
    CallLetter,
    NotTakenIn,
    Outgoing,
    encoded_head,
    encoded_letter,
    head_of,
    letter_of,
)
from reference_impl.wasm.layout.encoding import unsigned
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.values.identifiers import CanisterId, Principal
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

START = 1_700_000_000 * 10**9
SECRETS = (ROOT_SECRET, bytes(31) + b"\x07", bytes(31) + b"\x09")
HERE, THERE = (CanisterId(Principal(number.to_bytes(8, "big") + b"\x01\x01")) for number in (0, 16))
CALL = CallLetter(HERE, THERE, 3, "go", b"argument", 2**70, 186)
REPLY = AnswerLetter(HERE, THERE, 3, Reply(b"data"), 5, 148)
REJECT = AnswerLetter(HERE, THERE, 4, system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED), 0, 168)


@pytest.fixture
def subnets():
    """Three subnets without canisters; the first is the root subnet."""
    hosted = [
        HostedSubnet(
            Subnet(signer_of(secret).subnet_id, 4),
            signer_of(secret).public_key,
            secret,
            ranges=(numbered_range(16 * place, 16 * place + 15),),
            kind=SYSTEM if secret == ROOT_SECRET else "application",
            first_node=10 * place,
        )
        for place, secret in enumerate(SECRETS)
    ]
    network = Network(hosted, ROOT_KEY, ROOT_SECRET)
    profile = load_profile("small-world")
    engines = [Engine(profile, one.subnet, START, ROOT_KEY, network=network) for one in hosted]
    return ManySubnets([engine.instance for engine in engines])


@pytest.fixture
def ids(subnets):
    """The ids of the subnets."""
    return list(subnets.instances)


@pytest.mark.parametrize("letter", [CALL, REPLY, REJECT])
def test_a_letter_is_read_as_it_was_written(letter):
    assert letter_of(encoded_letter(letter), 176, 144) == letter


@pytest.mark.parametrize("content", [b"", b"\xa0", b"\xa1\x00\xa0", b"\xa1\x01\xa0", b"\x80", b"\x01"])
def test_other_bytes_are_no_letter_and_no_header(content):
    with pytest.raises(ValueError):
        letter_of(content, 176, 144)
    with pytest.raises(ValueError):
        head_of(content)


def test_a_header_is_read_as_it_was_written():
    outgoing = Outgoing()
    outgoing.post(CALL)
    outgoing.sign(NotTakenIn.CANISTER_STOPPED)
    outgoing.sign()
    outgoing.sign(NotTakenIn.CANISTER_STOPPED)
    head = head_of(encoded_head(outgoing))
    assert (head.begin, head.end, head.signals_end) == (0, 1, 3)
    assert head.not_taken_in == {0: NotTakenIn.CANISTER_STOPPED, 2: NotTakenIn.CANISTER_STOPPED}


def posted(subnets, sender, receiver, *letters):
    """After letters were put into a stream, and a round."""
    for letter in letters:
        subnets.instances[sender].correspondence.to(receiver).post(letter)
    subnets.round(sender, Block(START + 10**9))


@pytest.mark.checklist("seed1.per-round-certification", "seed1.xnet-certified")
def test_after_each_round_the_state_is_hashed_and_signed_with_time_and_streams(subnets, ids):
    before = subnets.certified[ids[1]]
    posted(subnets, ids[1], ids[0], CALL)
    after = subnets.certified[ids[1]]
    assert before.tree.hash != after.tree.hash and before.signature != after.signature
    certificate = certificate_of(subnets.slice(ids[1], ids[0]))
    assert is_valid(certificate, ROOT_KEY)
    assert certificate.tree.hash == after.tree.hash and certificate.signature == after.signature
    at = (b"streams", ids[0])
    assert letter_of(value_at(certificate.tree, *at, b"messages", bytes(8)), 176, 144) == CALL
    time = after.tree.get(b"time")
    assert time.value == unsigned(START + 10**9)


@pytest.mark.checklist("seed1.xnet-verification", "cert.delegation.root-subnet")
def test_a_subnet_believes_what_another_has_certified_for_it(subnets, ids):
    posted(subnets, ids[1], ids[0], CALL, REPLY)
    delivery = subnets.believed(ids[1], ids[0], subnets.slice(ids[1], ids[0]))
    assert delivery.letters == (CALL, REPLY) and delivery.head.end == 2
    from_root = certificate_of(subnets.slice(ids[0], ids[1]))
    assert from_root.delegation is None and certificate_of(subnets.slice(ids[1], ids[0])).delegation is not None


@pytest.mark.checklist("seed1.xnet-verification")
def test_a_subnet_believes_nothing_that_another_subnet_has_certified_or_that_is_for_another(subnets, ids):
    posted(subnets, ids[1], ids[0], CALL)
    genuine = subnets.slice(ids[1], ids[0])
    with pytest.raises(NotBelieved, match="another subnet has certified it"):
        subnets.believed(ids[2], ids[0], genuine)
    with pytest.raises(NotBelieved, match="it shows no stream to this subnet"):
        subnets.believed(ids[1], ids[2], genuine)
    with pytest.raises(NotBelieved, match="no certificate"):
        subnets.believed(ids[1], ids[0], b"nothing")


def altered(item, old, new):
    """A tree with other values in its leaves."""
    if item[0] == 3:
        return [3, item[1].replace(old, new)]
    return [altered(part, old, new) if isinstance(part, list | tuple) else part for part in item]


@pytest.mark.checklist("seed1.xnet-verification")
def test_a_letter_that_was_altered_is_not_believed(subnets, ids):
    posted(subnets, ids[1], ids[0], CALL)
    whole = dict(cbor2.loads(subnets.slice(ids[1], ids[0])))
    assert subnets.believed(ids[1], ids[0], cbor2.dumps(whole)).letters == (CALL,)
    whole["tree"] = altered(whole["tree"], b"argument", b"arguments"[:8][::-1])
    with pytest.raises(NotBelieved, match="the signature does not verify"):
        subnets.believed(ids[1], ids[0], cbor2.dumps(whole))


@pytest.mark.checklist("seed1.subnet-parallelism")
def test_a_round_of_one_subnet_changes_no_other(subnets, ids):
    others = {one: subnets.certified[one].tree.hash for one in ids[1:]}
    subnets.round(ids[0], Block(START + 10**9))
    assert {one: subnets.certified[one].tree.hash for one in ids[1:]} == others
