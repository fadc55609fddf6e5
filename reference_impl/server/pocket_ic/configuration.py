"""What an instance is to be: the body of `POST /instances`, read and checked before anything is made of it."""

from pathlib import Path
from typing import Final

from attrs import frozen

from reference_impl.server.http_gateway.targets import LOCAL
from reference_impl.server.pocket_ic.fields import (
    Fields,
    Json,
    Malformed,
    Refused,
    case_of,
    fields_of,
    flag_of,
    list_of,
    number_of,
    optional_number_of,
    path_of,
    principal_of,
    text_of,
    wrong,
)
from reference_impl.server.pocket_ic.subnets import (
    NAMED,
    NUMBERED,
    OF_APPLICATION,
    OF_CLOUD_ENGINE,
    Kind,
    SubnetPlan,
)
from spec.values.identifiers import Text
from spec.values.quantities import Nanoseconds

GENESIS: Final[Nanoseconds] = 1_620_328_630_000_000_000
"""The time at which an instance begins, and the earliest one. Source: production, the genesis of the network."""

FEATURES: Final = (
    "registry",
    "cycles_minting",
    "icp_token",
    "cycles_token",
    "nns_governance",
    "sns",
    "ii",
    "nns_ui",
    "bitcoin",
    "dogecoin",
    "canister_migration",
)
"""Each installs canisters of production, whose modules come with the real server alone."""


@frozen
class PlannedSubnet:
    """A subnet that is asked for, and the directory of the state that it begins with, if it does with one."""

    plan: SubnetPlan
    from_path: Path | None = None


@frozen
class AutoProgress:
    """Rounds run by themselves, and time follows the clock of the machine."""

    delay_milliseconds: int | None = None


@frozen
class GatewayWish:
    """Where an HTTP gateway is to listen."""

    address: Text = "127.0.0.1"
    port: int = 0
    domains: tuple[Text, ...] = LOCAL
    """Below these names canisters have theirs."""


@frozen
class Configuration:
    """An instance that is asked for."""

    subnets: tuple[PlannedSubnet, ...]
    """In the order of creation: those that begin with a state come first."""
    state_directory: Path | None = None
    initial_time: Nanoseconds | None = None
    auto_progress: AutoProgress | None = None
    gateway: GatewayWish | None = None
    needs_proof: bool = True
    """Users of the HTTPS interface prove who they are."""
    may_be_incomplete: bool = False
    """Subnets of a state directory may have been left at different times."""


def configuration_of(body: Json) -> Configuration:
    """The instance that a body asks for. Raises `Malformed`, and `Refused` for what there is not or cannot be."""
    fields = fields_of(body)
    _refuse_features(fields)
    planned = _subnets(fields_of(fields.get("subnet_config_set"), "subnet_config_set"))
    directory = None if fields.get("state_dir") is None else path_of(fields, "state_dir")
    if not planned and directory is None:
        raise Refused("SubnetConfigSet must contain at least one subnet")
    initial_time, auto_progress = _beginning(fields)
    may_be_incomplete = fields.get("incomplete_state") == "Enabled"
    needs_proof = not flag_of(fields, "disable_ingress_validation")
    return Configuration(
        planned, directory, initial_time, auto_progress, _gateway(fields), needs_proof, may_be_incomplete
    )


def _refuse_features(fields: Fields) -> None:
    features = fields.get("icp_features")
    if features is not None:
        given = fields_of(features, "icp_features")
        asked = [name for name in dict.fromkeys((*FEATURES, *given)) if given.get(name) is not None]
        if asked:
            are_not = f"The feature {asked[0]} is" if len(asked) == 1 else f"The features {', '.join(asked)} are"
            raise Refused(f"{are_not} not served: system canisters are needed whose modules are not installed here.")
    for name in ("bitcoind_addr", "dogecoind_addr"):
        if fields.get(name):
            raise Refused(f"{name} is not served: there is no adapter to that network here.")
    if flag_of(fields, "mainnet_nns_subnet_id"):
        raise Refused("mainnet_nns_subnet_id is not served: subnet ids are made from the keys of the subnets here.")


def _subnets(fields: Fields) -> tuple[PlannedSubnet, ...]:
    planned = [
        _subnet(kind, fields_of(fields[name], name)) for name, kind in NAMED.items() if fields.get(name) is not None
    ]
    for name, kind in NUMBERED.items():
        planned += [_subnet(kind, fields_of(one, name)) for one in list_of(fields, name)]
    return tuple(sorted(planned, key=lambda one: one.from_path is None))


def _subnet(kind: Kind, fields: Fields) -> PlannedSubnet:
    case, content = case_of(fields.get("state_config", "New"), "state_config")
    if case not in ("New", "FromPath"):
        raise Refused(f"The state config {case} is not supported")
    from_path = path_of({case: content}, case) if case == "FromPath" else None
    instructions, _ = case_of(fields.get("instruction_config", "Production"), "instruction_config")
    if instructions not in ("Production", "Benchmarking"):
        raise wrong("instruction_config", "Production or Benchmarking")
    admins = tuple(
        principal_of(fields_of(one, "subnet_admins"), "principal_id", "principal")
        for one in list_of(fields, "subnet_admins")
    )
    is_free = fields.get("cost_schedule") == "Free"
    _check_costs(kind, is_free, has_admins=bool(admins))
    plan = SubnetPlan(kind, instructions == "Benchmarking", is_free, admins)
    return PlannedSubnet(plan, from_path)


def _check_costs(kind: Kind, is_free: bool, *, has_admins: bool) -> None:
    if (is_free or has_admins) and kind not in (OF_APPLICATION, OF_CLOUD_ENGINE):
        raise Refused(f"A subnet of kind {kind.name} can have neither subnet admins nor the cost schedule Free.")
    if has_admins and not is_free:
        raise Refused("A subnet with subnet admins must have the cost schedule Free.")
    if kind is OF_CLOUD_ENGINE and not is_free:
        raise Refused("A subnet of kind CloudEngine must have the cost schedule Free.")


def _beginning(fields: Fields) -> tuple[Nanoseconds | None, AutoProgress | None]:
    if fields.get("initial_time") is None:
        return None, None
    case, content = case_of(fields["initial_time"], "initial_time")
    if case == "AutoProgress":
        return None, auto_progress_of(content)
    if case != "Timestamp":
        raise wrong("initial_time", "Timestamp or AutoProgress")
    time = number_of(fields_of(content, "Timestamp"), "nanos_since_epoch")
    if time < GENESIS:
        raise Refused(
            "The initial timestamp (unix timestamp in nanoseconds) must be no earlier than"
            f" {GENESIS} (provided {time})."
        )
    return time, None


def auto_progress_of(body: Json) -> AutoProgress:
    """How rounds are to run by themselves."""
    return AutoProgress(None if body is None else optional_number_of(fields_of(body), "artificial_delay_ms"))


def _gateway(fields: Fields) -> GatewayWish | None:
    wish = fields.get("http_gateway_config")
    return None if wish is None else gateway_of(fields_of(wish, "http_gateway_config"))


def gateway_of(fields: Fields) -> GatewayWish:
    """Where a gateway is to listen."""
    if fields.get("https_config") is not None:
        raise Refused("TLS config could not be created: gateways serve HTTP alone here.")
    address = "127.0.0.1" if fields.get("ip_addr") is None else text_of(fields, "ip_addr")
    port = 0 if fields.get("port") is None else number_of(fields, "port", 16)
    return GatewayWish(address, port, _domains(fields.get("domains")))


def _domains(given: Json) -> tuple[Text, ...]:
    """The domains of a gateway; that of this machine is always one."""
    listed = [] if given is None else list_of({"domains": given}, "domains")
    names = [one for one in listed if isinstance(one, str) and one]
    if len(names) < len(listed):
        raise Malformed("domains: there is something else than a name in it")
    return tuple(dict.fromkeys((*names, *LOCAL)))
