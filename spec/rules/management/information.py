"""What canisters learn about canisters, nodes and subnets."""

from spec.rules.conditions import existing_canister
from spec.rules.hashes import hash_of_blob
from spec.rules.management.arguments import decoded, managed_call, management_call, reply, require_controller_or_admin
from spec.rules.modules import code_of, module_of
from spec.state.canister import Canister, Code
from spec.state.history import Change
from spec.state.state import State
from spec.transition import Step, opaque, require, require_present, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, MessageId, Principal, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, SECONDS_PER_DAY, Count, Nanoseconds
from spec.values.rejects import RejectCode, RejectReason

MAXIMUM_SAMPLES = 60
"""Source: management-canister, node_metrics_history."""


@opaque
def canister_info_arguments(argument: Blob) -> management.CanisterInfoArguments | None:
    """The argument of `canister_info`."""
    arguments = management.decode_arguments("canister_info", argument)
    return arguments if isinstance(arguments, management.CanisterInfoArguments) else None


@opaque
def canister_metadata_arguments(argument: Blob) -> management.CanisterMetadataArguments | None:
    """The argument of `canister_metadata`."""
    arguments = management.decode_arguments("canister_metadata", argument)
    return arguments if isinstance(arguments, management.CanisterMetadataArguments) else None


@opaque
def node_metrics_arguments(argument: Blob) -> management.NodeMetricsHistoryArguments | None:
    """The argument of `node_metrics_history`."""
    arguments = management.decode_arguments("node_metrics_history", argument)
    return arguments if isinstance(arguments, management.NodeMetricsHistoryArguments) else None


@opaque
def subnet_info_arguments(argument: Blob) -> management.SubnetInfoArguments | None:
    """The argument of `subnet_info`."""
    arguments = management.decode_arguments("subnet_info", argument)
    return arguments if isinstance(arguments, management.SubnetInfoArguments) else None


@opaque
def requested_changes(changes: List[Change], number: Count | None) -> List[Change]:
    """The newest changes, as many as were asked for and are there. No number asks for none."""
    return List(changes.items[max(len(changes) - (number or 0), 0) :])


@opaque
def encoded_information(canister: Canister, number_of_changes: Count | None) -> Blob:
    """The result of `canister_info`."""
    return management.encode_result(
        "canister_info",
        management.CanisterInfoResult(
            total_num_changes=canister.history.total_changes,
            recent_changes=requested_changes(canister.history.recent_changes, number_of_changes),
            module_hash=hash_of_blob(canister.code.raw_module) if isinstance(canister.code, Code) else None,
            controllers=canister.settings.controllers,
        ),
    )


@opaque
def encoded_section(content: Blob) -> Blob:
    """The result of `canister_metadata`."""
    return management.encode_result("canister_metadata", content)


@opaque
def encoded_metrics(metrics: management.CyclesConsumed) -> Blob:
    """The result of `canister_metrics`."""
    return management.encode_result("canister_metrics", metrics)


@opaque
def encoded_samples(samples: List[management.NodeMetricsSample]) -> Blob:
    """The result of `node_metrics_history`."""
    return management.encode_result("node_metrics_history", samples)


@opaque
def encoded_subnet(replica_version: Text, registry_version: Count) -> Blob:
    """The result of `subnet_info`."""
    return management.encode_result("subnet_info", management.SubnetInfoResult(replica_version, registry_version))


@opaque
def are_natural(metrics: management.CyclesConsumed) -> bool:
    """No number is negative."""
    return (
        min(
            metrics.memory,
            metrics.compute_allocation,
            metrics.ingress_induction,
            metrics.instructions,
            metrics.request_and_response_transmission,
            metrics.uninstall,
            metrics.canister_creation,
            metrics.http_outcalls,
            metrics.burned_cycles,
        )
        >= 0
    )


@opaque
def is_admissible_history(samples: List[management.NodeMetricsSample], start: Nanoseconds) -> bool:
    """Not too many samples, none before the start, in order of time, and no two on the same day of UTC."""
    day = SECONDS_PER_DAY * NANOSECONDS_PER_SECOND
    days = [sample.timestamp_nanos // day for sample in samples]
    return (
        len(samples) <= MAXIMUM_SAMPLES
        and samples.every(lambda sample: sample.timestamp_nanos >= start)
        and days == sorted(set(days))
    )


@transition(title="Canister information", source="abstract-behavior#ic-management-canister-canister-information")
def canister_info(state: State, *, message_id: MessageId) -> Step:
    """A canister learns the latest changes, the module hash and the controllers of any canister."""
    # CONDITIONS
    call = management_call(state, message_id, "canister_info")
    arguments = decoded(canister_info_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)

    # STATE AFTER
    return reply(state, message_id, call, encoded_information(canister, arguments.num_requested_changes))


@transition(title="Canister metadata", source="abstract-behavior#ic-management-canister-canister-metadata")
@defines("error.metadata-no-module")
def canister_metadata(state: State, *, message_id: MessageId) -> Step:
    """A canister reads a public custom section of any canister, or a private one of a canister that it controls."""
    # CONDITIONS
    call = management_call(state, message_id, "canister_metadata")
    arguments = decoded(canister_metadata_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    code = code_of(canister, RejectCode.CANISTER_REJECT)
    content = require_present(
        visible_section(state, canister, code, arguments.name, call.caller.principal),
        "the caller may see such a section",
        RejectReason.METADATA_NOT_FOUND,
    )

    # STATE AFTER
    return reply(state, message_id, call, encoded_section(content))


@defines("error.metadata-section-not-found")
def visible_section(state: State, canister: Canister, code: Code, name: Text, caller: Principal) -> Blob | None:
    """The content of the custom section with this name; None if there is none, or none for this caller."""
    module = module_of(state.profile, code)
    if name in module.public_custom_sections:
        return module.public_custom_sections[name]
    if name in module.private_custom_sections and canister.settings.controllers.contains(caller):
        return module.private_custom_sections[name]
    return None


@transition(title="Canister metrics", source="abstract-behavior#ic-management-canister-canister-metrics")
@defines("rule.mgmt.canister-metrics.update", "unspec.value.canister-metrics")
def canister_metrics(state: State, *, message_id: MessageId, metrics: management.CyclesConsumed) -> Step:
    """A controller or an admin of the subnet learns what a canister was charged for. The numbers come from outside."""
    # CONDITIONS
    managed = managed_call(state, message_id, "canister_metrics")
    require_controller_or_admin(state, managed.call, managed.canister)
    require(are_natural(metrics), "no number is negative")

    # STATE AFTER
    return reply(state, message_id, managed.call, encoded_metrics(metrics))


@transition(title="Node Metrics", source="abstract-behavior#ic-management-canister-node-metrics")
@defines("unspec.value.node-metrics")
def node_metrics_history(state: State, *, message_id: MessageId, samples: List[management.NodeMetricsSample]) -> Step:
    """A canister learns how the nodes of a subnet did. The samples come from outside."""
    # CONDITIONS
    call = management_call(state, message_id, "node_metrics_history")
    arguments = decoded(node_metrics_arguments(call.argument))
    require(is_admissible_history(samples, arguments.start_at_timestamp_nanos), "the samples keep within the limits")

    # STATE AFTER
    return reply(state, message_id, call, encoded_samples(samples))


@transition(title="Subnet information", source="abstract-behavior#ic-management-canister-subnet-information")
@defines("unspec.value.subnet-info")
def subnet_info(state: State, *, message_id: MessageId, replica_version: Text, registry_version: Count) -> Step:
    """A canister learns which versions a subnet uses. They come from outside."""
    # CONDITIONS
    call = management_call(state, message_id, "subnet_info")
    decoded(subnet_info_arguments(call.argument))
    require(registry_version >= 0, "the version is a number of the registry")

    # STATE AFTER
    return reply(state, message_id, call, encoded_subnet(replica_version, registry_version))
