"""What the specification, as an implementation, draws where the specification leaves a value to chance."""

import hashlib

from spec.state.label import Label
from spec.state.state import State
from spec.values.identifiers import Blob
from spec.values.quantities import Count


def drawn(state: State, label: Label) -> Label:
    """The label of `raw_rand` with bytes that no other call got; any other label as it is."""
    if label.rule != "raw_rand":
        return label
    choices = label.arguments()
    seed = f"random bytes at {state.system_time} for {choices['message_id']}"
    return Label(label.rule, {**choices, "randomness": hashlib.sha256(seed.encode()).digest()})


def drawn_for(number: Count) -> Blob:
    """The random bytes of a block, other ones for each round."""
    return hashlib.sha256(f"random bytes of round {number}".encode()).digest()
