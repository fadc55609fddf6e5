"""What the management canister tells about canisters, nodes and the subnet."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict

from reference_impl.management.verdicts import (
    Applies,
    DoesNotFit,
    ManagementCall,
    Verdict,
    administered_canister,
    existing_canister,
    finish,
    rejection,
)
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.containers import List
from spec.values.identifiers import MethodName, Text
from spec.values.management import (
    CanisterIdArguments,
    CanisterInfoArguments,
    CanisterInfoResult,
    CanisterMetadataArguments,
    CyclesConsumed,
    NodeMetricsHistoryArguments,
    NodeMetricsSample,
    SubnetInfoArguments,
    SubnetInfoResult,
    encode_result,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, SECONDS_PER_DAY
from spec.values.rejects import Reject, RejectCode, RejectReason

MOST_SAMPLES = 60
"""How many samples of node metrics one answer has at most. Source: management-canister, node_metrics_history."""
DAY = SECONDS_PER_DAY * NANOSECONDS_PER_SECOND


def _canister_info(instance: SubnetInstance, call: ManagementCall, arguments: CanisterInfoArguments) -> Verdict:
    canister = existing_canister(instance, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    changes = canister.history.changes
    shown = min(arguments.num_requested_changes or 0, len(changes))
    result = CanisterInfoResult(
        total_num_changes=canister.history.total,
        recent_changes=List(tuple(changes[len(changes) - shown :])),
        module_hash=None if canister.code is None else canister.code.installed.hash,
        controllers=canister.settings.controllers,
    )
    return Applies("canister_info", lambda: finish(instance, call, encode_result("canister_info", result)))


def _canister_metadata(instance: SubnetInstance, call: ManagementCall, arguments: CanisterMetadataArguments) -> Verdict:
    canister = existing_canister(instance, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    if canister.code is None:
        return rejection(RejectReason.CANISTER_HAS_NO_CODE, RejectCode.CANISTER_REJECT)
    module, name = canister.code.installed.module, arguments.name
    if name in module.public_custom_sections:
        section = module.public_custom_sections[name]
    elif name in module.private_custom_sections and canister.is_controlled_by(call.caller):
        section = module.private_custom_sections[name]
    else:
        return rejection(RejectReason.METADATA_NOT_FOUND)
    reply = encode_result("canister_metadata", section)
    return Applies("canister_metadata", lambda: finish(instance, call, reply))


def _canister_metrics(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = administered_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    metrics = call.choices["metrics"] if call.choices else CyclesConsumed(**canister.consumed)
    if not isinstance(metrics, CyclesConsumed) or any(number < 0 for number in asdict(metrics).values()):
        return DoesNotFit("no amount is below zero")
    reply = encode_result("canister_metrics", metrics)
    return Applies("canister_metrics", lambda: finish(instance, call, reply), (("metrics", metrics),))


def _samples_fit(samples: List[NodeMetricsSample], arguments: NodeMetricsHistoryArguments) -> bool:
    times = [sample.timestamp_nanos for sample in samples]
    days = [time // DAY for time in times]
    return (
        len(times) <= MOST_SAMPLES
        and all(time >= arguments.start_at_timestamp_nanos for time in times)
        and all(earlier < later for earlier, later in zip(days, days[1:], strict=False))
    )


def _node_metrics_history(
    instance: SubnetInstance, call: ManagementCall, arguments: NodeMetricsHistoryArguments
) -> Verdict:
    samples = call.choices["samples"] if call.choices else instance.world.node_metrics(arguments)
    if not _samples_fit(samples, arguments):
        return DoesNotFit("the samples are too many, too early or not one a day")
    reply = encode_result("node_metrics_history", samples)
    return Applies("node_metrics_history", lambda: finish(instance, call, reply), (("samples", samples),))


def _subnet_info(instance: SubnetInstance, call: ManagementCall, arguments: SubnetInfoArguments) -> Verdict:
    if call.choices:
        result = SubnetInfoResult(call.choices["replica_version"], call.choices["registry_version"])
    else:
        result = instance.world.subnet_info(arguments)
    choices = (("replica_version", result.replica_version), ("registry_version", result.registry_version))
    return Applies("subnet_info", lambda: finish(instance, call, encode_result("subnet_info", result)), choices)


METHODS: Mapping[MethodName, Callable[[SubnetInstance, ManagementCall, Any], Verdict]] = {
    "canister_info": _canister_info,
    "canister_metadata": _canister_metadata,
    "canister_metrics": _canister_metrics,
    "node_metrics_history": _node_metrics_history,
    "subnet_info": _subnet_info,
}
"""The methods that only tell something."""

CHOICES: Mapping[Text, tuple[Text, ...]] = {
    "canister_metrics": ("metrics",),
    "node_metrics_history": ("samples",),
    "subnet_info": ("replica_version", "registry_version"),
}
