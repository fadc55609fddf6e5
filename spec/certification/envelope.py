"""
Envelopes: how requests are signed, and for which canisters a signature counts.

Which bytes are signed is said here; whether a key made a signature is asked of a function that is brought along.
Source: abstract-behavior, envelope authentication; https-interface, authentication.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from attrs import frozen

from spec.certification.hash_tree import domain_separator
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.delegations import Delegation as Delegation
from spec.values.delegations import SignedDelegation as SignedDelegation
from spec.values.identifiers import ANONYMOUS, Blob, CanisterId, Principal, Text, self_authenticating_id
from spec.values.quantities import Count, Nanoseconds
from spec.values.request_id import HashedValue, hash_of_map

VerifySignature = Callable[[Blob, Blob, Blob], bool]
"""Whether a DER-encoded key made a signature on a message: `(key, signature, message)`."""

SigningCanister = Callable[[Blob], CanisterId | None]
"""The canister whose signatures a DER-encoded key stands for; None if the key is of another kind."""

MAXIMUM_DELEGATIONS: Final[Count] = 20
"""Source: https-interface, authentication. The CDDL file says 4."""
MAXIMUM_TARGETS: Final[Count] = 1000
"""Source: https-interface, authentication."""


class Permissions(Enum):
    """Which requests a delegation is good for."""

    ALL = "all"
    QUERIES = "queries"
    """Queries and reads of the state, but no calls, not even of query methods."""


class RequestKind(Enum):
    """The kind of a request (`request_type`)."""

    CALL = "call"
    QUERY = "query"
    READ_STATE = "read_state"


@frozen
class Envelope:
    """A request with what authenticates it. Absent fields are None."""

    content: Mapping[str, HashedValue]
    """The fields of the request as they were sent, without those that are absent."""
    sender_pubkey: Blob | None = None
    sender_sig: Blob | None = None
    sender_delegation: List[SignedDelegation] | None = None


@frozen
class Authentic:
    """The envelope is signed by its sender."""

    targets: List[CanisterId] | None = None
    """The canisters that it may be used at; None means all of them."""

    def admits(self, canister_id: CanisterId) -> bool:
        """The envelope may be used at this canister. For the management canister its own id counts."""
        return self.targets is None or self.targets.contains(canister_id)


@frozen
class NotAuthentic:
    """The envelope proves nothing."""

    because: Text


@frozen
class Keys:
    """What is brought along: how signatures are verified, and which keys stand for canisters."""

    verify: VerifySignature
    signing_canister: SigningCanister


@defines("http.envelope", "http.verify.anonymous", "http.verify.signed", "http.sender")
def verify_envelope(envelope: Envelope, sender: Principal, time: Nanoseconds, keys: Keys) -> Authentic | NotAuthentic:
    """
    For which canisters the envelope is signed by the sender. Source: abstract-behavior, `verify_envelope`.

    The kind of the request is its `request_type`; that the content fits this kind is not looked at here.
    """
    if envelope.content.get("sender") != sender:
        return NotAuthentic("the request is of another sender")
    if sender == ANONYMOUS:
        return verify_anonymous(envelope)
    key, signature = envelope.sender_pubkey, envelope.sender_sig
    if key is None or signature is None:
        return NotAuthentic("the key or the signature is missing")
    if sender != self_authenticating_id(key):
        return NotAuthentic("the key is not that of the sender")
    chain = envelope.sender_delegation or List()
    fault = fault_of_chain(chain, key, time, keys.verify)
    if fault is not None:
        return NotAuthentic(fault)
    if envelope.content.get("request_type") == RequestKind.CALL.value and not may_call(chain):
        return NotAuthentic("a delegation admits queries only")
    if not keys.verify(last_key(chain, key), signature, request_message(envelope.content)):
        return NotAuthentic("the signature is not that of the last key of the chain")
    if not sender_info_holds(envelope.content, key, keys):
        return NotAuthentic("the sender_info is not allowed, or not signed by the sender's key")
    return Authentic(common_targets(chain))


def verify_anonymous(envelope: Envelope) -> Authentic | NotAuthentic:
    """Nothing authenticates the anonymous user, and nothing may pretend to."""
    given = (envelope.sender_pubkey, envelope.sender_sig, envelope.sender_delegation)
    if any(part is not None for part in given) or "sender_info" in envelope.content:
        return NotAuthentic("an anonymous request has no key, signature, delegation or sender_info")
    return Authentic()


# Delegations


@defines(
    "http.verify.delegation-chain",
    "http.delegation.length",
    "http.delegation.no-cycles",
    "http.delegation.targets",
    "http.delegation.permissions",
    "http.delegation.expiration",
)
def fault_of_chain(chain: List[SignedDelegation], key: Blob, time: Nanoseconds, verify: VerifySignature) -> Text | None:
    """What is wrong with a chain that starts at the key; None if nothing is. Source: `verify_delegations`."""
    if len(chain) > MAXIMUM_DELEGATIONS:
        return "there are too many delegations"
    known = [key, *(signed.delegation.public_key for signed in chain)]
    if len(set(known)) < len(known):
        return "a key occurs twice in the chain of delegations"
    for signed, signer in zip(chain, known, strict=False):
        fault = fault_of_delegation(signed, signer, time, verify)
        if fault is not None:
            return fault
    return None


def fault_of_delegation(
    signed: SignedDelegation, signer: Blob, time: Nanoseconds, verify: VerifySignature
) -> Text | None:
    """What is wrong with one delegation; None if nothing is."""
    delegation = signed.delegation
    if delegation.targets is not None and len(delegation.targets) > MAXIMUM_TARGETS:
        return "a delegation has too many targets"
    if delegation.permissions not in (None, *(known.value for known in Permissions)):
        return "a delegation has unknown permissions"
    if delegation.expiration < time:
        return "a delegation has expired"
    if not verify(signer, signed.signature, delegation_message(delegation)):
        return "a delegation is not signed by the key before it"
    return None


def last_key(chain: List[SignedDelegation], key: Blob) -> Blob:
    """The key that signs requests: that of the last delegation, or the sender's own."""
    return chain.items[-1].delegation.public_key if chain.items else key


def may_call(chain: List[SignedDelegation]) -> bool:
    """No delegation admits queries only; a later one cannot widen an earlier one."""
    return chain.every(lambda signed: signed.delegation.permissions != Permissions.QUERIES.value)


@defines("http.delegation.targets")
def common_targets(chain: List[SignedDelegation]) -> List[CanisterId] | None:
    """The canisters that all delegations admit; None means all of them. Source: `delegation_targets`."""
    common: List[CanisterId] | None = None
    for signed in chain:
        targets = signed.delegation.targets
        if targets is None:
            continue
        common = targets if common is None else List(tuple(one for one in common if targets.contains(one)))
    return common


# Sender info


@defines("http.sender-info")
def sender_info_holds(content: Mapping[str, HashedValue], key: Blob, keys: Keys) -> bool:
    """
    There is none, or the sender is a user of a canister, which signed it with the sender's key.

    Delegations do not count: the signature is that of the sender's key itself.
    """
    if "sender_info" not in content:
        return True
    match content["sender_info"]:
        case {"info": bytes(stated), "signer": bytes(signer), "sig": bytes(signature)}:
            return signer == keys.signing_canister(key) and keys.verify(key, signature, sender_info_message(stated))
        case _:
            return False


# Signed messages


@defines("cert.domain-separators")
def request_message(content: Mapping[str, HashedValue]) -> Blob:
    """What is signed for a request."""
    return domain_separator("ic-request") + hash_of_map(content)


def delegation_message(delegation: Delegation) -> Blob:
    """What is signed for a delegation."""
    fields: dict[str, HashedValue] = {"pubkey": delegation.public_key, "expiration": delegation.expiration}
    if delegation.targets is not None:
        fields["targets"] = delegation.targets.items
    if delegation.permissions is not None:
        fields["permissions"] = delegation.permissions
    return domain_separator("ic-request-auth-delegation") + hash_of_map(fields)


def sender_info_message(stated: Blob) -> Blob:
    """What is signed for a sender_info."""
    return domain_separator("ic-sender-info") + stated
