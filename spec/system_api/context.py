"""From where a System API function is called. Source: canister-interface, overview of imports."""

from enum import Enum
from typing import Final

from spec.values.identifiers import Text


class Context(Enum):
    """The entry point that is executing. The values are the letters of the interface specification."""

    INIT = "I"
    """`canister_init` or `canister_post_upgrade`."""
    PRE_UPGRADE = "G"
    UPDATE = "U"
    REPLICATED_QUERY = "RQ"
    NON_REPLICATED_QUERY = "NRQ"
    TRANSFORM_QUERY = "TQ"
    """A query method that transforms the response of an HTTPS outcall."""
    COMPOSITE_QUERY = "CQ"
    REPLY_CALLBACK = "Ry"
    REJECT_CALLBACK = "Rt"
    COMPOSITE_REPLY_CALLBACK = "CRy"
    COMPOSITE_REJECT_CALLBACK = "CRt"
    CLEANUP = "C"
    COMPOSITE_CLEANUP = "CC"
    START = "s"
    """The start function of the module."""
    INSPECT_MESSAGE = "F"
    SYSTEM_TASK = "T"
    """`canister_heartbeat`, `canister_global_timer` or `canister_on_low_wasm_memory`."""


def contexts(letters: Text) -> frozenset[Context]:
    """The contexts with these letters, separated by spaces; `*` stands for all but the start function."""
    named: set[Context] = set()
    for letter in letters.split():
        named |= set(Context) - {Context.START} if letter == "*" else {Context(letter)}
    return frozenset(named)


UPGRADING: Final = contexts("I G")
INSTALLING: Final = contexts("I G s")
"""The executions of an installation, whose slices have a size of their own."""
QUERYING: Final = contexts("RQ NRQ TQ CQ CRy CRt CC F")
"""Where other limits hold for the stable memory accessed. Source: facts on limits."""

REPLICATED: Final = contexts("I G U RQ Ry Rt C T s")
"""Where all nodes take part, so logs are kept. Source: `ic0.in_replicated_execution`."""

CHANGES_KEPT: Final = contexts("I G U CQ Ry Rt CRy CRt C CC T s")
"""Where changes of the heap outlive the execution, so changed pages are charged. Source: facts on weights."""
