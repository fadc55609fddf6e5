"""A label: which rule is taken, and the values of its free variables."""

from typing import Any

from attrs import field, frozen


def _sorted_choices(choices: Any) -> tuple[tuple[str, Any], ...]:
    by_name = choices if type(choices) is dict else dict(choices)
    return tuple(sorted(by_name.items()))


@frozen
class Label:
    """
    One step of a schedule. A list of labels is a schedule: data that can be stored, replayed and shrunk.

    `Label("call_context_removal", {"context_id": 3})`.
    """

    rule: str
    """The name of the rule."""
    choices: tuple[tuple[str, Any], ...] = field(default=(), converter=_sorted_choices)
    """
    The free variables by name, sorted; given as a mapping or as pairs.

    One that has a default in its rule may be omitted, and then has it; `spec.machine.canonical_label` omits all such.
    """

    def arguments(self) -> dict[str, Any]:
        """The free variables that are given, as keyword arguments."""
        return dict(self.choices)
