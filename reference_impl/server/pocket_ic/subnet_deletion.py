"""
A subnet is deleted: its canisters are gone with all that they were doing, and its ids belong to no subnet any more.

Source: `delete_subnet` of the crate `pocket-ic` 16.1.0. Calls of other canisters that wait for one of the canisters are
rejected, as they are when code is uninstalled; calls that come later are rejected since there is no such canister.
"""

from reference_impl.management.uninstallation import forget_code, reject_open_calls
from reference_impl.server.pocket_ic.fields import Json, Refused, fields_of, nested_principal_of
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.server.pocket_ic.subnets import NAMED
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import Stopped, Stopping
from spec.state.message import ResponseMessage
from spec.values.identifiers import principal_to_text
from spec.values.rejects import RejectCode, RejectReason, system_reject


def delete_subnet(simulation: Simulation, body: Json) -> Json:
    """Deletes a subnet. Raises `Refused` if there is none such, if it has a name, or if it is the only one."""
    subnet = simulation.subnet(nested_principal_of({"subnet": fields_of(body)}, "subnet", "subnet id"))
    shown = principal_to_text(subnet.subnet_id)
    if subnet.kind in NAMED.values():
        raise Refused(f"The subnet {shown} of kind {subnet.kind.name} cannot be deleted.")
    if len(simulation.subnets) == 1:
        raise Refused(f"The subnet {shown} is the only one, and cannot be deleted.")
    for canister in [one for one in simulation.instance.canisters.values() if one.subnet.subnet_id == subnet.subnet_id]:
        _delete(simulation.instance, canister)
    simulation.remove(subnet)
    return None


def _delete(instance: SubnetInstance, canister: CanisterRecord) -> None:
    """The canister goes. Whoever waits for it is told that it does not answer."""
    reject_open_calls(instance, canister)
    if isinstance(canister.status, Stopping):
        reject = system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)
        for one in canister.status.stop_calls:
            instance.messages.append(ResponseMessage(one.origin, reject, one.cycles))
    forget_code(instance, canister)
    instance.set_status(canister, Stopped())
    instance.recorder.burned(canister.balance + canister.reserved_balance, Purpose.LOST)
    instance.delete_canister(canister)
