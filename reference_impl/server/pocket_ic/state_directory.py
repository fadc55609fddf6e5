"""
State directories: what is left of an instance when it ends, and instances that begin with what is left of others.

A directory has one directory for each subnet, named by its seed, with the subnet's canisters, and beside them a
description of the subnets and what was under way. All is the owner's alone, and a file is there as a whole or not.
"""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import evolve, fields, frozen

from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.files import make_directory, new_file, read_file
from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.server.pocket_ic.fields import Json, Refused
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.server.pocket_ic.subnets import KINDS, PocketSubnet, SubnetPlan, with_seed
from reference_impl.trace.restoration import (
    KeptCanister,
    UnderWay,
    bring_back_canisters,
    kept_canister,
    resume,
    under_way,
)
from spec.state.network import CanisterRange
from spec.values.identifiers import Blob, CanisterId, Principal, Text
from spec.values.quantities import ByteCount, Count, Nanoseconds

TOPOLOGY: Final = "topology.json"
CANISTERS: Final = "canisters.cbor"
UNDER_WAY: Final = "under_way.cbor"
FORMAT: Final = 1
LARGEST_DESCRIPTION: Final[ByteCount] = 16 << 20
LARGEST_FILE: Final[ByteCount] = 64 << 30
"""More is no state of ours."""


@frozen
class KeptSubnet:
    """A subnet as its directory has it."""

    subnet: PocketSubnet
    time: Nanoseconds
    canisters: tuple[KeptCanister, ...]


@frozen
class KeptInstance:
    """An instance as its directory has it."""

    subnets: tuple[KeptSubnet, ...]
    time: Nanoseconds
    messages_sent: Count
    under_way: UnderWay


def is_there(directory: Path) -> bool:
    """Something is at that path. Raises `Refused` if nothing can be."""
    try:
        return directory.exists()
    except (OSError, ValueError) as problem:
        raise Refused(f"{directory} is not a state directory of this server: {problem}") from None


def hold(directory: Path) -> int:
    """
    The lock of a directory, which is made if it is not there: one instance at a time goes on in it.

    It is the open directory, which is closed when the instance has ended. Raises `Refused`.
    """
    try:
        make_directory(directory)
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError, StateDirectoryFault) as problem:
        raise Refused(f"The state directory {directory} cannot be used: {problem}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise Refused(f"Another instance uses the state directory {directory}.") from None
    return held


# Writing


def write(simulation: Simulation, directory: Path) -> None:
    """Leaves an instance in a directory. Raises `Refused` if that cannot be written."""
    try:
        make_directory(directory)
        for subnet in simulation.subnets:
            _write_subnet(simulation, subnet, directory / subnet.seed.hex())
        _remove_deleted(simulation, directory)
        requests = tuple(simulation.instance.ingress.items())
        going_on = evolve(under_way(simulation.instance), requests=requests)
        _write_file(directory / UNDER_WAY, encoded(_fields_of(going_on)))
        _write_file(directory / TOPOLOGY, json.dumps(_description(simulation), indent=2).encode())
    except StateDirectoryFault as problem:
        raise Refused(f"The state directory {directory} cannot be written: {problem}") from None


def _write_subnet(simulation: Simulation, subnet: PocketSubnet, directory: Path) -> None:
    make_directory(directory, is_within=True)
    canisters = [
        _fields_of(kept_canister(one))
        for one in simulation.instance.canisters.values()
        if one.subnet.subnet_id == subnet.subnet_id
    ]
    told = {"subnet": _told(subnet), "time": simulation.instance.system_time, "canisters": canisters}
    _write_file(directory / CANISTERS, encoded(told))


def _remove_deleted(simulation: Simulation, directory: Path) -> None:
    """Subnets that were deleted have no directories any more."""
    present = {one.seed for one in simulation.subnets}
    for subnet in simulation.deleted_subnets:
        place = directory / subnet.seed.hex()
        if subnet.seed not in present and place.is_dir() and not place.is_symlink():
            with suppress(OSError):
                (place / CANISTERS).unlink(missing_ok=True)
                place.rmdir()


def _fields_of(value: KeptCanister | UnderWay) -> dict[Text, Any]:
    return {one.name: getattr(value, one.name) for one in fields(type(value))}


def _write_file(path: Path, content: Blob) -> None:
    with new_file(path) as file:
        file.write(content)


def _description(simulation: Simulation) -> Json:
    return {
        "format": FORMAT,
        "time": simulation.instance.system_time,
        "messages_sent": simulation.messages_sent,
        "subnets": [_told(one) for one in simulation.subnets],
    }


def _told(subnet: PocketSubnet) -> dict[Text, Any]:
    return {
        "kind": subnet.kind.name,
        "seed": subnet.seed.hex(),
        "ranges": [[one.first.hex(), one.last.hex()] for one in subnet.hosted.ranges],
        "first_node": subnet.hosted.first_node,
        "is_benchmarking": subnet.is_benchmarking,
        "is_free": subnet.is_free,
        "admins": [one.hex() for one in subnet.admins],
    }


# Reading


def read_instance(directory: Path, *, may_be_incomplete: bool = False) -> KeptInstance | None:
    """The instance in a directory, None if the directory is empty or is not there. Raises `Refused`."""
    try:
        if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
            return None
        told = json.loads(read_file(directory / TOPOLOGY, LARGEST_DESCRIPTION))
        if told["format"] != FORMAT:
            raise Refused(f"The state directory {directory} is of another version of this server.")
        subnets = tuple(read_subnet(directory / _seed(one).hex()) for one in told["subnets"])
        kept = _read_file(directory / UNDER_WAY)
        instance = KeptInstance(subnets, int(told["time"]), int(told["messages_sent"]), UnderWay(**kept))
    except (OSError, ValueError, KeyError, TypeError, NoValue) as problem:
        raise Refused(f"{directory} is not a state directory of this server: {problem}") from None
    for one in instance.subnets:
        if one.time != instance.time and not may_be_incomplete:
            raise Refused(f"The state of subnet with seed {one.subnet.seed.hex()} is incomplete.")
    return instance


def read_subnet(directory: Path) -> KeptSubnet:
    """The subnet in a directory. Raises `Refused`."""
    try:
        told = _read_file(directory / CANISTERS)
        canisters = tuple(KeptCanister(**one) for one in told["canisters"])
        return KeptSubnet(_subnet(told["subnet"]), int(told["time"]), canisters)
    except (OSError, ValueError, KeyError, TypeError, NoValue) as problem:
        raise Refused(f"{directory} is not a (subnet state) directory: {problem}") from None


def _read_file(path: Path) -> dict[Text, Any]:
    value = decoded(read_file(path, LARGEST_FILE))
    if not isinstance(value, dict):
        raise NoValue(f"{path.name} holds no fields")
    return value


def _seed(told: Json) -> Blob:
    seed = bytes.fromhex(told["seed"])
    if len(seed) != 32:
        raise ValueError("a seed has 32 bytes")
    return seed


def _subnet(told: Json) -> PocketSubnet:
    ranges = tuple(CanisterRange(*(CanisterId(Principal(bytes.fromhex(end))) for end in one)) for one in told["ranges"])
    admins = tuple(Principal(bytes.fromhex(one)) for one in told["admins"])
    plan = SubnetPlan(KINDS[told["kind"]], bool(told["is_benchmarking"]), bool(told["is_free"]), admins)
    return with_seed(plan, ranges, _seed(told), int(told["first_node"]))


def bring_back(simulation: Simulation, subnets: tuple[KeptSubnet, ...], kept: UnderWay | None = None) -> None:
    """An instance gets the canisters that were kept, and what was under way goes on. Raises `Refused`."""
    try:
        for one in subnets:
            bring_back_canisters(
                simulation.instance, one.canisters, simulation.subnet(one.subnet.subnet_id).hosted.subnet
            )
        if kept is not None:
            resume(simulation.instance, kept)
    except ValueError as problem:
        raise Refused(f"The state cannot be brought back: {problem}") from None
