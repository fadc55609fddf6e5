"""Calls that are handed in at the endpoint of the subnet: its admins create canisters there, and that is all."""

from conformance.judging.patterns import refuses, replies
from conformance.protocol.interface import Replied
from conformance.suite.acting import Sent
from conformance.suite.people import ADMIN, ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import MUCH, Stage
from spec.state.request import Endpoint
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MethodName, Principal

PROVISIONAL = management.ProvisionalCreateArguments(amount=MUCH)


def send(
    stage: Stage,
    method_name: MethodName,
    arguments: management.ManagementArguments,
    effective_id: Principal,
    sender: Principal = ADMIN,
    canister_id: CanisterId = MANAGEMENT_CANISTER,
) -> Sent:
    """A call at the endpoint of a subnet."""
    return stage.send(
        canister_id,
        method_name,
        management.encode_arguments(arguments),
        sender=sender,
        effective_id=effective_id,
        endpoint=Endpoint.SUBNET,
    )


@scenario(
    "An admin who creates a canister at the endpoint of the subnet controls it",
    covers=("rule.submit-call.subnet-endpoint", "def.effective-subnet-id", "http.endpoint.call-v4-subnet"),
    subnet_admins=(ADMIN,),
)
def created(stage: Stage) -> None:
    # When
    sent = send(stage, "provisional_create_canister_with_cycles", PROVISIONAL, stage.subnet_id)
    stage.settle()
    # Then
    seen = stage.answer(sent)
    stage.expect(seen, replies())
    assert isinstance(seen, Replied), "that is expected"
    canister = management.decode_canister_id_result(seen.data)
    stage.expect(stage.about("stop_canister", canister, ALICE), refuses())
    stage.expect(stage.about("stop_canister", canister, ADMIN), replies())


@scenario(
    "An admin creates canisters at either endpoint, without cycles",
    covers=(
        "rule.submit-call.subnet-endpoint",
        "rule.submit-call.mgmt-create-canister",
        "prod.canister_manager.create_canister_as_subnet_admin_succeeds_on_free_cost_schedule",
    ),
    subnet_admins=(ADMIN,),
)
def at_both(stage: Stage) -> None:
    # When
    at_subnet = send(stage, "create_canister", management.CreateCanisterArguments(), stage.subnet_id)
    at_canister = stage.send_managed("create_canister", management.CreateCanisterArguments(), sender=ADMIN)
    stage.settle()
    # Then
    for sent in (at_subnet, at_canister):
        stage.expect(stage.answer(sent), replies())


@scenario(
    "Who is no admin creates no canister at the endpoint of the subnet",
    covers=("rule.submit-call.subnet-endpoint", "def.effective-subnet-id"),
    subnet_admins=(ADMIN,),
)
def not_for_users(stage: Stage) -> None:
    for method_name, arguments in (
        ("create_canister", management.CreateCanisterArguments()),
        ("provisional_create_canister_with_cycles", PROVISIONAL),
    ):
        sent = send(stage, method_name, arguments, stage.subnet_id, sender=ALICE)
        stage.expect(stage.answer(sent), refuses())


@scenario(
    "At the endpoint of the subnet no canister is called or managed",
    covers=("rule.submit-call.subnet-endpoint", "http.endpoint.call-v4-subnet"),
    subnet_admins=(ADMIN,),
)
def nothing_else(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    about = management.CanisterIdArguments(canister)
    # Then
    for effective_id in (stage.subnet_id, canister):
        stage.expect(stage.answer(send(stage, "stop_canister", about, effective_id)), refuses())
        called = send(stage, "update", about, effective_id, canister_id=canister)
        stage.expect(stage.answer(called), refuses())


@scenario(
    "No canister is created at the endpoint of a subnet that is another one",
    covers=("rule.submit-call.subnet-endpoint", "def.effective-subnet-id"),
    subnet_admins=(ADMIN,),
)
def elsewhere(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # Then
    sent = send(stage, "create_canister", management.CreateCanisterArguments(), canister)
    stage.expect(stage.answer(sent), refuses())
