"""
Several subnets in one process, each with an instance and rounds of its own, and nothing in common but certificates.

A round of a subnet begins with slices of the streams of the others, as they were certified last. Each is a certificate
that goes back to the root subnet's key; one that does not verify, or is another subnet's, is not taken.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from attrs import evolve, frozen

from reference_impl.authentication.certificates import Certificate, certificate_of, is_valid, value_at
from reference_impl.certification import signing
from reference_impl.certification.hash_trees import Branches, Path
from reference_impl.certification.random_tape import tape_signature, tape_value
from reference_impl.certification.threshold import Committee
from reference_impl.reads.state_tree import signing as signer_and_delegation
from reference_impl.reads.state_tree import state_tree
from reference_impl.rounds.production.blocks import Block, RoundDone
from reference_impl.rounds.production.conductor import Traffic
from reference_impl.rounds.production.rounds import ProductionRounds
from reference_impl.subnet.streams import (
    Correspondence,
    Delivery,
    Letter,
    StreamBounds,
    head_of,
    index_label,
    letter_of,
)
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.identifiers import Blob, SubnetId
from spec.values.quantities import Count


class NotBelieved(ValueError):
    """A slice that is not taken; the message says why."""


@frozen
class Certified:
    """The state of a subnet after a round."""

    tree: Branches
    signature: Blob
    """Of the subnet, on the hash of the tree. Checklist: `seed1.per-round-certification`."""


class ManySubnets:
    """The subnets of a network. All must be in the network of each instance, and nothing may be under way."""

    def __init__(
        self, instances: Iterable[SubnetInstance], bounds: StreamBounds | None = None, threads: Count = 1
    ) -> None:
        """On so many threads canisters of a subnet execute; it makes no difference to what they do."""
        self.instances = {one.subnet.subnet_id: one for one in instances}
        for instance in self.instances.values():
            instance.correspondence = Correspondence(bounds or StreamBounds())
        for one, instance in self.instances.items():
            for other in self.instances.keys() - {one}:
                _of(instance).to(other)
        self._rounds = {one: ProductionRounds(instance, threads) for one, instance in self.instances.items()}
        self.certified: dict[SubnetId, Certified] = {}
        """The state of each subnet after its latest round."""
        for subnet_id in self.instances:
            self._certify(subnet_id)

    def round(self, subnet_id: SubnetId, block: Block, only: Iterable[SubnetId] | None = None) -> RoundDone:
        """
        A round of a subnet, with slices of the streams of all others, or of some.

        Raises `NotBelieved` if one does not verify.
        """
        done = self._rounds[subnet_id].execute(self._with_deliveries(subnet_id, block, only))
        self._certify(subnet_id)
        return done

    def rounds_at_once(self, blocks: Mapping[SubnetId, Block], threads: Count = 1) -> Mapping[SubnetId, RoundDone]:
        """
        A round of each of some subnets, with slices that were certified before all of them.

        They have nothing in common meanwhile, so it makes no difference on how many threads they run. Raises
        `NotBelieved` before any of them if a slice does not verify.
        """
        ready = {subnet_id: self._with_deliveries(subnet_id, block) for subnet_id, block in blocks.items()}
        with ThreadPoolExecutor(max_workers=threads) as pool:
            done = dict(zip(ready, pool.map(lambda one: self._rounds[one].execute(ready[one]), ready), strict=True))
        for subnet_id in ready:
            self._certify(subnet_id)
        return done

    def _with_deliveries(self, subnet_id: SubnetId, block: Block, only: Iterable[SubnetId] | None = None) -> Block:
        senders = [one for one in self.instances if one != subnet_id and (only is None or one in only)]
        deliveries = {sender: self.believed(sender, subnet_id, self.slice(sender, subnet_id)) for sender in senders}
        return evolve(block, deliveries=deliveries)

    def traffic(self, subnet_id: SubnetId) -> Traffic:
        """What went between a subnet and others in its latest round."""
        return self._rounds[subnet_id].traffic

    def _certify(self, subnet_id: SubnetId) -> None:
        instance = self.instances[subnet_id]
        tree = state_tree(instance)
        signer, _ = signer_and_delegation(instance)
        self.certified[subnet_id] = Certified(tree, signer.signature_of(tree.hash))

    def share(self, subnet_id: SubnetId, node: Count, nodes: Count) -> Blob:
        """
        What one of so many nodes of a subnet signs of the state after its latest round.

        Whoever has shares of enough nodes that agree can make the signature of the subnet.
        """
        secret = self.instances[subnet_id].network[subnet_id].secret
        assert secret is not None, "the secrets of an instance for development are known"
        message = signing.certified_message(self.certified[subnet_id].tree.hash)
        return Committee.of(secret, nodes).share(node, message)

    # Randomness

    def randomness(self, subnet_id: SubnetId, number: Count, first_node: Count = 0) -> Blob:
        """The value of the random tape of a subnet for a round, by the shares of some of its nodes."""
        return tape_value(self.signature_of_tape(subnet_id, number, first_node))

    def signature_of_tape(self, subnet_id: SubnetId, number: Count, first_node: Count = 0) -> Blob:
        """The signature that the value of the random tape is the hash of."""
        hosted = self.instances[subnet_id].network[subnet_id]
        assert hosted.secret is not None, "the secrets of an instance for development are known"
        return tape_signature(Committee.of(hosted.secret, hosted.subnet.subnet_size), number, first_node)

    # Slices

    def slice(self, sender: SubnetId, receiver: SubnetId) -> Blob:
        """A certificate that shows what the receiver has not taken in of a stream, as much as a slice may have."""
        instance = self.instances[sender]
        stream = _of(instance).to(receiver)
        first = _of(self.instances[receiver]).to(sender).signals_end
        last = min(stream.end, first + _of(instance).bounds.slice_messages)
        at: Path = (b"streams", receiver)
        paths = [(*at, b"header"), *((*at, b"messages", index_label(index)) for index in range(first, last))]
        signer, delegation = signer_and_delegation(instance)
        return signing.certificate_of(self.certified[sender].tree, paths, signer, delegation)

    def believed(self, sender: SubnetId, receiver: SubnetId, encoded: Blob) -> Delivery:
        """What a slice has for a subnet. Raises `NotBelieved` if it is not what the sender has certified."""
        instance = self.instances[receiver]
        try:
            certificate = certificate_of(encoded)
        except ValueError as problem:
            raise NotBelieved(f"no certificate: {problem}") from None
        if not is_valid(certificate, instance.root_key):
            raise NotBelieved("the signature does not verify")
        if not self._is_of(certificate, sender, instance):
            raise NotBelieved("another subnet has certified it")
        return _delivery(certificate, instance, _of(instance).to(sender).signals_end)

    @staticmethod
    def _is_of(certificate: Certificate, sender: SubnetId, instance: SubnetInstance) -> bool:
        if certificate.delegation is None:
            return sender in instance.network and instance.network[sender].public_key == instance.root_key
        return certificate.delegation.subnet_id == sender


def _of(instance: SubnetInstance) -> Correspondence:
    assert instance.correspondence is not None, "there are other subnets"
    return instance.correspondence


def _delivery(certificate: Certificate, instance: SubnetInstance, first: Count) -> Delivery:
    at = (b"streams", instance.subnet.subnet_id)
    limits, bounds = instance.profile.limits, _of(instance).bounds
    told = value_at(certificate.tree, *at, b"header")
    if told is None:
        raise NotBelieved("it shows no stream to this subnet")
    try:
        head = head_of(told)
        letters: list[Letter] = []
        for index in range(first, head.end):
            encoded = value_at(certificate.tree, *at, b"messages", index_label(index))
            if encoded is None:
                break
            letters.append(letter_of(encoded, limits.request_record, limits.response_record, bounds.refund_record))
    except ValueError as problem:
        raise NotBelieved(str(problem)) from None
    return Delivery(head, first, tuple(letters))
