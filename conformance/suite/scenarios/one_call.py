"""Scenarios of a single call: what it tells, or that it traps."""

from conformance.canisters.expressions import Action, Bytes
from conformance.canisters.scripted import program, reply, set_slot, slot
from conformance.judging.patterns import Pattern, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import Stage
from spec.values.identifiers import Blob, Text


def u32(value: int) -> Blob:
    """4 bytes."""
    return value.to_bytes(4, "little")


def u64(value: int) -> Blob:
    """8 bytes."""
    return value.to_bytes(8, "little")


def shows(
    group: Text,
    name: Text,
    title: Text,
    covers: tuple[Text, ...],
    told: Bytes | bytes,
    expected: Blob | Pattern,
    *before: Action,
) -> None:
    """In a group, given by its module: an update call does something and then tells something."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.call(canister, program(*before, reply(told)))
        # Then
        stage.expect(answer, expected if isinstance(expected, Pattern) else replies_with(expected))
        stage.balance(canister)

    script.__name__, script.__module__ = name, group
    scenario(title, covers=covers)(script)


def traps(
    group: Text, name: Text, title: Text, covers: tuple[Text, ...], *actions: Action, needs: Needs | None = None
) -> None:
    """In a group, given by its module: an update call traps."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.call(canister, program(set_slot(0, b"lost"), *actions, reply()))
        # Then
        stage.expect(answer, TRAPPED)
        stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))

    script.__name__, script.__module__ = name, group
    scenario(title, covers=(*covers, "error.trapped"), needs=needs)(script)
