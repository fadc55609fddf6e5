"""What several scenarios begin with."""

from conformance.canisters.library import load
from conformance.judging.patterns import replies
from conformance.judging.verdicts import Judged, NotApplicable
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.quantities import SECONDS_PER_DAY, Cycles, Seconds

LONG_THRESHOLD: Seconds = 10**14
"""With it, no canister of these scenarios can pay for being idle long enough."""


def scripted(
    stage: Stage,
    start: Blob = b"",
    cycles: Cycles = MUCH,
    settings: management.SettingsArguments | None = None,
    name: str = "scripted",
) -> CanisterId:
    """A scripted canister that runs."""
    return stage.create_with_code(load(name), start, cycles, settings)


def controlled_by(*controllers: Principal) -> management.SettingsArguments:
    """Settings with these controllers."""
    return management.SettingsArguments(controllers=List(tuple(sorted(controllers))))


def stop(stage: Stage, canister: CanisterId) -> None:
    """Stops a canister that has nothing to wait for."""
    stage.expect(stage.about("stop_canister", canister), replies())


def freeze(stage: Stage, canister: CanisterId) -> None:
    """Raises the freezing threshold so far that the canister is frozen."""
    require_that_it_freezes(stage, canister)
    settings = management.SettingsArguments(freezing_threshold=LONG_THRESHOLD)
    arguments = management.UpdateSettingsArguments(canister, settings)
    stage.expect(stage.manage("update_settings", arguments, canister), replies())


def require_that_it_freezes(stage: Stage, canister: CanisterId) -> None:
    """Where being idle costs next to nothing, nothing can be seen of frozen canisters."""
    if stage.knows_prices:
        return
    status = stage.status(canister)
    if LONG_THRESHOLD // SECONDS_PER_DAY * status.idle_cycles_burned_per_day <= status.cycles:
        raise Judged(NotApplicable("at the implementation's prices no canister is frozen"))
