"""Scenarios about reading the certified state: who may read what, and what is there."""

from conformance.canisters.scripted import program, reject, reply, trap
from conformance.protocol.interface import Path, Refused, Values
from conformance.suite.acting import Sent
from conformance.suite.people import EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values.identifiers import CanisterId
from spec.values.leb128 import encode_unsigned
from spec.values.rejects import RejectCode


def readable(stage: Stage, canister: CanisterId, *paths: Path) -> tuple[bytes | None, ...]:
    """What somebody who has nothing to do with the canister reads at paths that everybody may read."""
    read = stage.read(canister, paths, sender=EVE)
    stage.require(isinstance(read, Values), "everybody may read this")
    return read.values if isinstance(read, Values) else (None,) * len(paths)


@scenario(
    "Everybody may read when a canister was created and when its code was installed",
    covers=("rule.read-state.may-read-canister", "def.state-tree"),
)
def timestamps(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    created, installed = (
        (b"canister", canister, leaf) for leaf in (b"canister_creation_timestamp", b"last_install_timestamp")
    )
    # When
    values = readable(stage, canister, created, installed)
    # Then
    stage.require(None not in values, "both times are there")


@scenario(
    "A canister without code has no module hash and no time of installation, which is certified too",
    covers=("rule.read-state.may-read-canister", "def.state-tree"),
)
def empty_canister(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    values = readable(
        stage,
        canister,
        (b"canister", canister, b"module_hash"),
        (b"canister", canister, b"last_install_timestamp"),
        (b"canister", canister, b"metadata", b"candid:service"),
    )
    # Then
    stage.require(values == (None, None, None), "there is nothing")


@scenario(
    "Everybody may read what there is to know of subnets, of API boundary nodes, and the time",
    covers=("rule.read-state.may-read-subnet", "unspec.value.subnet-state-tree", "cert.time"),
)
def network(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    values = readable(
        stage,
        canister,
        (b"time",),
        (b"subnet",),
        (b"subnet", stage.subnet_id),
        (b"subnet", stage.subnet_id, b"public_key"),
        (b"subnet", stage.subnet_id, b"type"),
        (b"subnet", stage.subnet_id, b"node"),
        (b"subnet", stage.subnet_id, b"node", b"some node"),
        (b"subnet", stage.subnet_id, b"node", b"some node", b"public_key"),
        (b"api_boundary_nodes",),
        (b"api_boundary_nodes", b"some node"),
        (b"api_boundary_nodes", b"some node", b"domain"),
        (b"api_boundary_nodes", b"some node", b"ipv4_address"),
        (b"api_boundary_nodes", b"some node", b"ipv6_address"),
    )
    # Then
    stage.require(values[0] is not None, "the time is there")


@scenario(
    "Nobody may read paths that the state tree does not have, or what belongs to other endpoints and canisters",
    covers=("http.read-state.forbidden", "unspec.env.read-state-forbidden", "http.read-state.certified-data-hidden"),
)
def forbidden(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    sent = stage.send(canister, "update", program(reply()))
    stage.settle()
    assert sent.request_id is not None
    # When
    paths: list[Path] = [
        (),
        (b"nonsense",),
        (b"canister",),
        (b"canister", canister),
        (b"canister", canister, b"certified_data"),
        (b"canister", canister, b"nonsense"),
        (b"canister", canister, b"metadata"),
        (b"canister", canister, b"metadata", b"\xff\xfe"),
        (b"canister", other, b"module_hash"),
        (b"request_status",),
        (b"request_status", sent.request_id, b"nonsense"),
        (b"request_status", sent.request_id, b"status", b"more"),
        (b"subnet", stage.subnet_id, b"metrics"),
        (b"subnet", stage.subnet_id, b"nonsense"),
        (b"api_boundary_nodes", b"some node", b"nonsense"),
        (b"canister_ranges", stage.subnet_id),
    ]
    read = [stage.read(canister, [path]) for path in paths]
    # Then
    stage.require(all(isinstance(each, Refused) for each in read), "each is refused")


def rejected(stage: Stage, argument: bytes) -> tuple[CanisterId, Sent]:
    """A canister, and a request to it that was rejected."""
    canister = scripted(stage)
    sent = stage.send(canister, "update", argument)
    stage.settle()
    return canister, sent


@scenario(
    "Who sent a request may read the code and the text with which it was rejected",
    covers=("def.request-status-tree", "unspec.value.error-codes", "unspec.value.reject-messages"),
)
def reject_of_the_system(stage: Stage) -> None:
    # Given
    canister, sent = rejected(stage, program(trap(b"planned")))
    assert sent.request_id is not None
    status = (b"request_status", sent.request_id)
    # When
    read = stage.read(
        canister,
        [(*status, leaf) for leaf in (b"status", b"reject_code", b"reject_message", b"error_code", b"reply")],
    )
    foreign = stage.read(canister, [(*status, b"reject_message")], sender=EVE)
    # Then
    code = encode_unsigned(RejectCode.CANISTER_ERROR)
    stage.require(isinstance(read, Values) and read.values[:2] == (b"rejected", code), "status and code are there")
    stage.require(isinstance(read, Values) and read.values[2] is not None, "the text is there")
    stage.require(isinstance(read, Values) and read.values[4] is None, "there is no reply")
    stage.require(isinstance(foreign, Refused), "others may not read it")


@scenario(
    "The text of a canister's own reject can be read as the canister gave it",
    covers=("def.request-status-tree", "unspec.value.reject-messages"),
)
def reject_of_the_canister(stage: Stage) -> None:
    # Given
    canister, sent = rejected(stage, program(reject(b"not today")))
    assert sent.request_id is not None
    status = (b"request_status", sent.request_id)
    # When
    read = stage.read(canister, [(*status, b"reject_code"), (*status, b"reject_message")])
    # Then
    stage.require(
        read == Values((encode_unsigned(RejectCode.CANISTER_REJECT), b"not today")), "code and text are right"
    )


@scenario(
    "Of a request that nobody made there is nothing, and everybody may read that",
    covers=("def.request-status-tree", "rule.read-state.response"),
)
def unknown_request(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    status = (b"request_status", bytes(32))
    # When
    values = readable(stage, canister, status, (*status, b"status"), (*status, b"reply"))
    # Then
    stage.require(values == (None, None, None), "there is nothing")
