"""The state of the specification that the engine is in."""

from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.state import State
from spec.values.containers import List, Map, Queue


def abstract(instance: SubnetInstance) -> State:
    """Equal to the specification's state after the transitions that the engine claims to have taken."""
    return State(
        profile=instance.profile,
        root_key=instance.root_key,
        system_time=instance.system_time,
        subnet=instance.subnet,
        requests=Map.of(instance.ingress.items()),
        canisters=Map.of((canister_id, canister.frozen()) for canister_id, canister in instance.canisters.items()),
        call_contexts=Map.of((one, instance.contexts[one].frozen()) for one in instance.contexts),
        messages=Queue(tuple(instance.messages.in_order()), instance.messages.next_id),
        subnet_admins=Map.of(instance.subnet_admins.items()),
        deleted_canisters=List(tuple(instance.deleted_canisters)),
        used_snapshot_ids=List(tuple(instance.used_snapshot_ids)),
    )
