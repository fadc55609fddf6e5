"""What clients ask and change of canisters past all rules: cycles, stable memory, controllers, and where they live."""

import gzip
import zlib
from typing import Final

from attrs import evolve

from reference_impl.server.pocket_ic.blobs import Blobs
from reference_impl.server.pocket_ic.fields import (
    CYCLES_BITS,
    Json,
    Refused,
    base64_of,
    blob_of,
    conversion_error,
    fields_of,
    number_of,
    principal_of,
)
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.subnet.observations import Purpose
from spec.values.identifiers import Blob, CanisterId, principal_to_text
from spec.values.memory import LinearMemory
from spec.values.quantities import WASM_PAGE, ByteCount

BLOB_ID_SIZE: Final = 32
GZIP: Final = "gzip"
MAXIMUM_CYCLES: Final = (1 << CYCLES_BITS) - 1


def canister_in(body: Json) -> CanisterId:
    """The canister that a body names."""
    return CanisterId(principal_of(fields_of(body), "canister_id"))


def controllers(simulation: Simulation, body: Json) -> Json:
    """The controllers of a canister."""
    canister = simulation.canister(canister_in(body))
    return [{"principal_id": base64_of(one)} for one in canister.settings.controllers]


def cycles(simulation: Simulation, body: Json) -> Json:
    """The balance of a canister."""
    return {"cycles": simulation.canister(canister_in(body)).balance}


def add_cycles(simulation: Simulation, body: Json) -> Json:
    """A canister gets cycles from nowhere; its new balance."""
    canister, amount = simulation.canister(canister_in(body)), number_of(fields_of(body), "amount", CYCLES_BITS)
    if canister.balance + amount > MAXIMUM_CYCLES:
        raise Refused("The balance would not fit in 128 bits.")
    simulation.instance.recorder.minted(amount, Purpose.PROVISIONAL)
    simulation.instance.credit(canister, amount)
    return {"cycles": canister.balance}


def stable_memory(simulation: Simulation, body: Json) -> Json:
    """The stable memory of a canister, whole pages of 64 KiB; nothing without code."""
    canister = simulation.canister(canister_in(body))
    return {"blob": base64_of(b"" if canister.code is None else canister.code.wasm_state.stable_memory.to_bytes())}


def set_stable_memory(simulation: Simulation, blobs: Blobs, body: Json) -> Json:
    """The stable memory of a canister becomes what a blob holds, and zeros up to a whole page."""
    canister_id = canister_in(body)
    blob_id = blob_of(fields_of(body), "blob_id")
    if len(blob_id) != BLOB_ID_SIZE:
        raise conversion_error("Bad blob id")
    stored = blobs.get(blob_id.hex())
    if stored is None:
        raise Refused(f"BlobNotFound({blob_id.hex()})")
    canister = simulation.canister(canister_id)
    if canister.code is None:
        raise Refused(f"CanisterIsEmpty({principal_to_text(canister_id)})")
    limit = simulation.instance.profile.limits.stable_memory
    content = unpacked(stored.content, limit) if stored.encoding == GZIP else stored.content
    if len(content) > limit:
        raise Refused(f"The stable memory of a canister has at most {limit} bytes.")
    padding = bytes(-len(content) % WASM_PAGE)
    memory = LinearMemory.from_bytes(content + padding)
    canister.code.wasm_state = evolve(canister.code.wasm_state, stable_memory=memory)
    simulation.instance.recount_memory(canister)
    return None


def unpacked(content: Blob, limit: ByteCount) -> Blob:
    """What was compressed, if it is no longer than the limit. Raises `Refused` for what was not."""
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        whole = reader.decompress(content, limit + 1)
        if len(whole) > limit:
            return whole
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise conversion_error("Decompression failed") from None


def subnet_of(simulation: Simulation, body: Json) -> Json:
    """The subnet on which a canister lives, None if there is no such canister."""
    canister = simulation.instance.canisters.get(canister_in(body))
    return None if canister is None else {"subnet_id": base64_of(canister.subnet.subnet_id)}


def public_key(simulation: Simulation, body: Json) -> Json:
    """The public key of a subnet, in DER, as numbers."""
    subnet_id = principal_of(fields_of(body), "subnet_id", "subnet id")
    return list(simulation.subnet(subnet_id).hosted.public_key)
