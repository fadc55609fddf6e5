"""Scenarios: what they are, and the registry in which `@scenario` enters them."""

from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from conformance.protocol.interface import CanisterElsewhere, Capability, Needs
from conformance.protocol.versions import since_rows
from conformance.suite.stage import Stage
from spec.values.identifiers import Principal, Text
from spec.values.quantities import Count

PROTOCOL_SECTIONS: Final = "PROTOCOL.md#"
"""Begins what a scenario covers if it is a section of the protocol, and no row of the checklist."""

Script = Callable[[Stage], None]
"""What happens in a scenario."""


@frozen
class Scenario:
    """A story about users and canisters, which an implementation is judged by."""

    id: Text
    """`group/name`, for reports and selections."""
    title: Text
    """A sentence that says what is true."""
    covers: tuple[Text, ...]
    """Ids of the checklist of statements that it shows; `PROTOCOL.md#SECTION` for what the protocol says."""
    script: Script
    needs: Needs = Needs()
    subnet_size: Count = 13
    subnet_admins: tuple[Principal, ...] = ()
    profile: Text | None = None
    """The bundled profile that it needs; None if any will do."""
    elsewhere: tuple[CanisterElsewhere, ...] = ()
    """The canisters that its instance begins with, on a second subnet; for implementations that can `ELSEWHERE`."""

    @property
    def group(self) -> Text:
        """The group that it belongs to."""
        return self.id.partition("/")[0]

    @property
    def since(self) -> Text:
        """The first version of the interface specification that has what it shows."""
        return since_rows(self.covers)

    @property
    def checklist_rows(self) -> tuple[Text, ...]:
        """What it covers but for the protocol."""
        return tuple(covered for covered in self.covers if not covered.startswith(PROTOCOL_SECTIONS))


_registered: list[Scenario] = []


def scenario(
    title: Text,
    *,
    covers: tuple[Text, ...],
    needs: Needs | None = None,
    subnet_size: Count = 13,
    subnet_admins: tuple[Principal, ...] = (),
    profile: Text | None = None,
    elsewhere: tuple[CanisterElsewhere, ...] = (),
) -> Callable[[Script], Scenario]:
    """Registers the decorated script; its module is the group and its name the rest of the id."""

    def register(script: Script) -> Scenario:
        group = script.__module__.rpartition(".")[2]
        made = Scenario(
            id=f"{group}/{script.__name__}",
            title=title,
            covers=covers,
            script=script,
            needs=Needs() if needs is None else needs,
            subnet_size=subnet_size,
            subnet_admins=subnet_admins,
            profile=profile,
            elsewhere=elsewhere,
        )
        assert not elsewhere or Capability.ELSEWHERE in made.needs.capabilities, f"{made.id} needs canisters elsewhere"
        assert all(made.id != other.id for other in _registered), f"two scenarios are called {made.id}"
        _registered.append(made)
        return made

    return register


def registered(modules: Text) -> Sequence[Scenario]:
    """The scenarios of a module, or of all modules of a package, in the order in which they were registered."""
    return [each for each in _registered if f"{each.script.__module__}.".startswith(f"{modules}.")]
