"""
What the outside world answers to canisters, whoever asks it to: random bytes, keys, signatures, outcalls, Bitcoin.

The answers are those of a world that no scenario knows. They are compared with what the specification says of their
form; the argument of each method is sent in every form that Candid admits, and in forms that it does not. A world that
answers nothing is right too, if it answers none of the forms that say the same.
"""

from collections.abc import Callable, Mapping

from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.scripted import append_to_slot, call, concat, program, reply, slot
from conformance.protocol.interface import Replied, Seen
from conformance.suite.candid_forms import COMBINED, refused_forms
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.candid import COVERS, READ, SOME_REFUSED
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.management_calls import REJECTED, asking
from conformance.suite.scenarios.outside import BIP340, ECDSA, ED25519, FEE, HTTP, MAINNET, TRANSPORT_KEY, VETKD
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import CanisterId, Principal, Text

Maker = Callable[[CanisterId], management.AnyArguments]

ASKED: Mapping[Text, Mapping[Text, tuple[Maker, int]]] = {
    "keys": {
        "ecdsa_public_key": (lambda caller: management.EcdsaPublicKeyArguments(ECDSA, caller), 0),
        "schnorr_public_key": (lambda caller: management.SchnorrPublicKeyArguments(ED25519, caller), 0),
        "vetkd_public_key": (lambda caller: management.VetkdPublicKeyArguments(VETKD, caller, b"context"), 0),
    },
    "signatures": {
        "sign_with_ecdsa": (lambda _: management.SignWithEcdsaArguments(bytes(32), ECDSA), FEE),
        "sign_with_schnorr": (lambda _: management.SignWithSchnorrArguments(b"message", BIP340), FEE),
        "vetkd_derive_key": (lambda _: management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, VETKD), FEE),
    },
    "outcalls": {
        "http_request": (lambda caller: evolve(HTTP, transform=management.HttpTransform(caller, "query")), FEE),
    },
    "bitcoin": {
        "bitcoin_get_utxos": (lambda _: management.GetUtxosArguments("address", MAINNET), FEE),
        "bitcoin_get_balance": (lambda _: management.GetBalanceArguments("address", MAINNET, 6), FEE),
        "bitcoin_send_transaction": (lambda _: management.SendTransactionArguments(b"transaction", MAINNET), FEE),
        "bitcoin_get_current_fee_percentiles": (lambda _: management.FeePercentilesArguments(MAINNET), FEE),
        "bitcoin_get_block_headers": (lambda _: management.GetBlockHeadersArguments(10, MAINNET), FEE),
    },
    "nodes": {
        "node_metrics_history": (lambda _: management.NodeMetricsHistoryArguments(Principal(b"\x01"), 0), 0),
    },
}
"""By group, the methods with an argument and the cycles that are attached."""

ANSWERED_OR_FAILED = READ | REJECTED


def _in_every_form(stage: Stage, caller: CanisterId, method_name: Text, make: Maker, cycles: int) -> None:
    plain = management.encode_arguments(make(caller))
    with cell(method_name):
        first = stage.call(caller, asking(method_name, plain, cycles))
        stage.expect(first, ANSWERED_OR_FAILED)
    for name, form in COMBINED.items():
        with cell(f"{method_name} with {name}"):
            seen = stage.call(caller, asking(method_name, form(plain), cycles))
            stage.expect(seen, READ if READ.admits(first) else REJECTED)
    for name in SOME_REFUSED:
        if name in refused_forms(plain):
            with cell(f"{method_name} with {name}"):
                refused = refused_forms(plain)[name](plain)
                stage.expect(stage.call(caller, asking(method_name, refused, cycles)), REJECTED)
    with cell(f"what {method_name} cost"):
        stage.balance(caller)


def _group(name: Text, methods: Mapping[Text, tuple[Maker, int]]) -> None:
    def script(stage: Stage) -> None:
        caller = scripted(stage)
        for method_name, (make, cycles) in methods.items():
            _in_every_form(stage, caller, method_name, make, cycles)

    script.__name__ = name
    listed = ", ".join(methods)
    scenario(
        f"What {listed} answer has the form that the specification says, however the argument is written",
        covers=(*COVERS, "mgmt-general.cycles-attached"),
    )(script)


for _name, _methods in ASKED.items():
    _group(_name, _methods)


@scenario(
    "Random bytes are 32 and never the same, for one canister, for two, one after another and in one execution",
    covers=("rule.mgmt.raw-rand", "mgmt.raw-rand", "seed1.canister-randomness"),
)
def random_bytes(stage: Stage) -> None:
    # Given
    canisters = scripted(stage), scripted(stage)
    once = asking("raw_rand", management.RawRandArguments())
    later = program(reply(concat(slot(0), ic0.msg_arg_data())))
    again = program(append_to_slot(0, ic0.msg_arg_data()), call(b"", "raw_rand", b"DIDL\0\0", on_reply=later))
    # When
    seen: list[bytes] = []
    for canister in (*canisters, *canisters):
        seen += _drawn(stage.call(canister, once))
    seen += _drawn(stage.call(canisters[0], program(call(b"", "raw_rand", b"DIDL\0\0", on_reply=again))))
    # Then
    stage.require(len(seen) == 6 and all(len(each) == 32 for each in seen), "each answer is 32 bytes")
    stage.require(len(set(seen)) == len(seen), "no answer comes twice")


def _drawn(seen: Seen) -> list[bytes]:
    """The bytes in a reply, which is one answer or two of them."""
    if not isinstance(seen, Replied):
        return []
    length = len(management.encode_blob_result(bytes(32)))
    answers = (seen.data[start : start + length] for start in range(0, len(seen.data), length))
    return [management.decode_blob_result(each) for each in answers]
