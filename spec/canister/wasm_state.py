"""What a canister remembers between executions: memories and globals."""

from attrs import field, frozen

from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.memory import LinearMemory


@frozen
@defines(
    "seed1.heap-and-stable", "seed2.two-memories", "seed1.orthogonal-persistence", "seed2.persisted-between-messages"
)
class WasmState:
    """The state of a canister's code. Source: abstract-behavior, abstract canisters (`WasmState`)."""

    self_id: CanisterId
    """The canister's own id."""
    wasm_memory: LinearMemory = field(factory=LinearMemory)
    """The heap: memory 0 of the module, or an empty memory if the module has none."""
    stable_memory: LinearMemory = field(factory=LinearMemory)
    """The stable memory, which survives upgrades."""
    globals: tuple[int, ...] = ()
    """
    The bit patterns, as unsigned integers, of the globals that the module defines and that are mutable or exported, in
    the order of their indices.
    """
