"""The operations on an instance: which path does what."""

from collections.abc import Callable, Mapping
from typing import Final

from reference_impl.certification.node_keys import node
from reference_impl.server.pocket_ic import canisters, ingress, outside, snapshot_files, subnet_deletion
from reference_impl.server.pocket_ic.blobs import Blobs
from reference_impl.server.pocket_ic.fields import (
    Fields,
    Json,
    Refused,
    fields_of,
    list_of,
    nested_principal_of,
    number_of,
)
from reference_impl.server.pocket_ic.simulation import Simulation
from spec.values.identifiers import Principal, Text, principal_to_text

Operation = Callable[[Simulation, Blobs, Json], Json]


def _tick(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    """One round. Who makes the blocks, and which subnet is first, changes nothing that anybody sees."""
    fields = fields_of(body) if body else {}
    for one in list_of(fields, "blockmakers"):
        _check_blockmaker(simulation, fields_of(one, "blockmakers"))
    ends = [
        simulation.subnet(nested_principal_of(fields, name, "subnet id")).subnet_id
        for name in ("first_subnet", "last_subnet")
        if fields.get(name) is not None
    ]
    if len(ends) != len(set(ends)):
        raise Refused('InvalidTickConfigs("The first and the last subnet must differ.")')
    simulation.round()
    return None


def _check_blockmaker(simulation: Simulation, fields: Fields) -> None:
    subnet = simulation.subnet(nested_principal_of(fields, "subnet", "subnet id"))
    maker = nested_principal_of(fields, "blockmaker", "node id")
    failed = [_node_of(one) for one in list_of(fields, "failed_blockmakers")]
    nodes = {node(number).node_id for number in subnet.hosted.nodes}
    for one in (maker, *failed):
        if one not in nodes:
            raise Refused(f"BlockmakerNotFound({principal_to_text(one)})")
    if maker in failed:
        raise Refused(f"BlockmakerContainedInFailed({principal_to_text(maker)})")


def _node_of(value: Json) -> Principal:
    return nested_principal_of({"node": value}, "node", "node id")


def _set_time(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    simulation.set_time(number_of(fields_of(body), "nanos_since_epoch"))


def _set_certified_time(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    simulation.set_certified_time(number_of(fields_of(body), "nanos_since_epoch"))


def _mock(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    outside.mock(simulation.engine, body)


def _time(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    return {"nanos_since_epoch": max(simulation.clock, simulation.instance.system_time)}


def _topology(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    return simulation.topology()


GET: Final[Mapping[Text, Operation]] = {
    "_/topology": _topology,
    "read/topology": _topology,
    "read/get_time": _time,
    "read/get_canister_http": lambda simulation, blobs, body: outside.shown_outcalls(simulation.instance),
}
"""What is asked without a body, by what follows the instance in the path."""

POST: Final[Mapping[Text, Operation]] = {
    "read/query": lambda simulation, blobs, body: ingress.query(simulation, ingress.asked_of(body)),
    "read/get_controllers": lambda simulation, blobs, body: canisters.controllers(simulation, body),
    "read/get_cycles": lambda simulation, blobs, body: canisters.cycles(simulation, body),
    "read/get_stable_memory": lambda simulation, blobs, body: canisters.stable_memory(simulation, body),
    "read/get_subnet": lambda simulation, blobs, body: canisters.subnet_of(simulation, body),
    "read/pub_key": lambda simulation, blobs, body: canisters.public_key(simulation, body),
    "read/ingress_status": lambda simulation, blobs, body: ingress.status(simulation, body),
    "update/submit_ingress_message": lambda simulation, blobs, body: ingress.submit(simulation, ingress.asked_of(body)),
    "update/await_ingress_message": lambda simulation, blobs, body: ingress.awaited(
        simulation, ingress.message_of(body)
    ),
    "update/set_time": _set_time,
    "update/set_certified_time": _set_certified_time,
    "update/tick": _tick,
    "update/delete_subnet": lambda simulation, blobs, body: subnet_deletion.delete_subnet(simulation, body),
    "update/add_cycles": lambda simulation, blobs, body: canisters.add_cycles(simulation, body),
    "update/set_stable_memory": canisters.set_stable_memory,
    "update/mock_canister_http": _mock,
    "update/canister_snapshot_download": lambda simulation, blobs, body: snapshot_files.download(simulation, body),
    "update/canister_snapshot_upload": lambda simulation, blobs, body: snapshot_files.upload(simulation, body),
}
"""What is asked with a body, likewise."""
