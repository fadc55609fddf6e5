"""
The judge is fair: implementations that rightly differ from production pass, and their partners that go beyond fail.

What differs is what the text leaves open. `deep` runs every scenario on each of them.
"""

import pytest

from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted import candid_writers, composing, different, drifting, prices, refusing, repeating
from conformance.tests.planted.bugs import BlackBox, MixesUpTheQueue

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

DIFFERENT: list[tuple[type[BlackBox], str]] = [
    (different.RejectsAsFatal, "refusals/to_empty_canister"),
    (different.RejectsAsTransient, "refusals/to_missing_canister"),
    (different.RejectsAsInvalidDestination, "information/metadata"),
    (different.RejectsAsCanisters, "management_rejects/unknown_method"),
    (different.RejectsAsErrors, "refusals/to_canister_out_of_cycles"),
    (different.RejectsInTurn, "management_rejects/undecodable"),
    (different.RejectsMissingMethodsAtOnce, "requests/unknown_method"),
    (different.SaysItInItsOwnWords, "requests/unknown_method"),
    (different.TellsNoReasons, "starvation/no_response"),
    (different.TellsOtherReasons, "snapshots/load_missing"),
    (different.RefusesInItsOwnWay, "requests/inspection"),
    (different.RefusesWithoutAWord, "requests/missing_canister"),
    (different.TakesNoChangeForFrozen, "settings/thawing"),
    (different.RejectsManagementQueries, "composite/log_visibility"),
    (different.RefusesQueriesToNobody, "queries/queries_without_answer"),
    (different.TellsErrorCodesAndTheNetwork, "reads/reject_of_the_system"),
    (different.Records, "composite/logs"),
    (different.RecordsNothingOfFailures, "composite/logs"),
    (different.StopsLate, "lifecycle/stopping"),
    (different.CleansUpLate, "starvation/starvation_in_a_chain"),
    (different.AnswersUsersLate, "requests/together"),
    (different.RunsTimersLate, "tasks/global_timer"),
    (different.BeginsOneRequestAfterTheOther, "requests/together"),
    (different.BeatsHearts, "tasks/heartbeat_at_pleasure"),
    (different.BeatsHeartsTwice, "tasks/heartbeat_at_pleasure"),
    (different.ExpiresCalls, "calls/deadlines"),
    (different.CountsCanistersOtherwise, "lifecycle/new_canister"),
    (different.NamesSnapshotsOtherwise, "snapshots/list_and_delete"),
    (different.GivesOldCertificates, "queries/certificate_told"),
    (different.ShufflesBySeed, "calls/two_callees"),
    (different.ShufflesAgain, "requests/together"),
    (different.ShufflesOnceMore, "traps/callback_traps"),
    (candid_writers.AddsFields, "lifecycle/new_canister"),
    (candid_writers.AddsResults, "lifecycle/new_canister"),
    (candid_writers.HasUnusedTypes, "lifecycle/new_canister"),
    (candid_writers.ListsSetsBackwards, "snapshots/list_and_delete"),
    (candid_writers.LeavesOutOptions, "lifecycle/new_canister"),
    (composing.CallsTheLatestFirst, "composite/two_calls"),
    (composing.RejectsCallsToNobodyAsFatal, "composite/callees_that_cannot"),
    (composing.RejectsManagementCallsAsCanisters, "composite/own_status"),
    (refusing.RefusesGrowths, "system_api_canister/stable_grows"),
    (refusing.RefusesGrowths, "settings/heap_limit"),
    (refusing.RefusesLaterGrowths, "system_api_canister/stable_grows"),
    (refusing.RefusesSomeGrowths, "features_meet/environments_of_callbacks"),
    (repeating.TakesInRepetitions, "requests/no_replay"),
    (drifting.ForgetsAnswers, "requests/answers_stay"),
    (drifting.RaisesVersions, "lifecycle/stop_and_start"),
    (drifting.RaisesVersions, "asked_everywhere/reply_callback"),
    (drifting.RaisesVersionsFar, "asked_everywhere/version_in_pre_upgrade"),
    (drifting.RaisesVersionsFar, "tasks/versions"),
    (drifting.RaisesVersionsWithMessages, "information/change_by_canister"),
    (drifting.TrimsHistories, "information/changes"),
    (prices.HasOtherPrices, "calls/some_cycles_accepted"),
]
"""Implementations that are right, each with a scenario in which it differs."""

BEYOND: list[tuple[type[BlackBox], str]] = [
    (different.RejectsForStoppedAsTransient, "refusals/to_stopped_canister"),
    (different.RejectsForFrozenAsError, "refusals/to_frozen_canister"),
    (different.RejectsForTooFewCyclesAsTransient, "refusals/with_too_few_cycles"),
    (different.RejectsOfUninstalledAsError, "lifecycle/uninstall_while_stopping"),
    (different.RejectsOfRestartedAsTransient, "lifecycle/start_while_stopping"),
    (different.RejectsOfStarvedAsTransient, "starvation/no_response_to_canister"),
    (different.LeavesUsersUnsure, "management_rejects/undecodable"),
    (different.RejectsSomeMethodsAtOnce, "requests/a_canister_answers"),
    (different.ChangesWhatCanistersSay, "requests/own_reject"),
    (different.BlamesCanisters, "starvation/no_response"),
    (different.RefusesNothing, "requests/missing_canister"),
    (different.TakesAnythingForFrozen, "requests/frozen_canister"),
    (different.AnswersEverybody, "composite/log_visibility"),
    (different.RefusesQueriesToStopped, "queries/queries_without_answer"),
    (different.HidesRejectMessages, "reads/reject_of_the_system"),
    (different.LetsReadEverything, "reads/forbidden"),
    (different.PrintsNothing, "composite/logs"),
    (different.PrintsSomethingElse, "composite/logs"),
    (different.DatesLogsLater, "composite/logs"),
    (different.StopsAtOnce, "lifecycle/stopping"),
    (different.FiresTimersEarly, "tasks/global_timer"),
    (different.RepeatsTimers, "tasks/global_timer"),
    (different.UsesIdsOfUsers, "lifecycle/new_canister"),
    (different.GivesCertificatesOfTheFuture, "queries/certificate_told"),
    (different.CertifiesSomethingElse, "queries/certificate_told"),
    (different.SignsNothing, "queries/certificate_told"),
    (different.GivesNoCertificates, "system_api_canister/certificate"),
    (MixesUpTheQueue, "calls/calls_keep_their_order"),
    (candid_writers.ListsEverythingBackwards, "composite/logs"),
    (candid_writers.LeavesOutAField, "lifecycle/new_canister"),
    (composing.AnswersAllCallsAlike, "composite/two_calls"),
    (composing.RejectsCallsToStoppedAsFatal, "composite/callees_that_cannot"),
    (refusing.GrowsWhatItRefuses, "kept_or_lost/chunks"),
    (refusing.RefusesCalls, "calls/two_callees"),
    (repeating.RepeatsRequests, "requests/no_replay"),
    (drifting.ForgetsRequestsTooSoon, "requests/answers_stay"),
    (drifting.LowersVersions, "information/changes"),
]
"""Implementations that go beyond what the text leaves open, each with a scenario that it fails."""


def judged(implementation: BlackBox, scenario_id: str) -> Case:
    """The case of one scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


def named(value: object) -> str:
    """The name of a class, or a text."""
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("implementation", "scenario_id"), DIFFERENT, ids=named)
def test_what_the_text_leaves_open_may_be_otherwise(implementation: type[BlackBox], scenario_id: str) -> None:
    """The scenario in which the implementation differs passes."""
    case = judged(implementation(), scenario_id)
    assert case.verdict.name == "pass", (case.verdict.why, getattr(case.verdict, "allowed", ()))


@pytest.mark.parametrize(("implementation", "scenario_id"), BEYOND, ids=named)
def test_what_goes_beyond_fails(implementation: type[BlackBox], scenario_id: str) -> None:
    """And passes without the change."""
    assert judged(implementation(), scenario_id).verdict.name == "fail"
    assert judged(BlackBox(), scenario_id).verdict.name == "pass"


def test_there_are_at_least_twenty_five_of_each() -> None:
    """Each class once."""
    assert len({implementation for implementation, _ in DIFFERENT}) >= 25
    assert len({implementation for implementation, _ in BEYOND}) >= 25


def test_what_differs_from_production_is_told_where_production_is_claimed() -> None:
    """The verdict does not depend on it."""
    other = judged(different.RejectsAsFatal(), "refusals/to_empty_canister")
    assert other.as_production.value == "no"
    assert other.departures == ("reject_call_to_empty_canister rejects with SYS_FATAL; production: CANISTER_ERROR",)
    asking = judged(composing.RejectsManagementCallsAsCanisters(), "composite/own_status")
    assert asking.departures == ("a call of a query is rejected with CANISTER_REJECT; production: CANISTER_ERROR",)
    same = judged(BlackBox(), "refusals/to_empty_canister")
    assert (same.as_production.value, same.departures) == ("yes", ())


@pytest.mark.deep
@pytest.mark.parametrize("implementation", list(dict.fromkeys(each for each, _ in DIFFERENT)), ids=named)
def test_every_scenario_passes_whatever_is_left_open(implementation: type[BlackBox]) -> None:
    """All scenarios, judged as a black box; how instructions compute and arguments are read is none of this."""
    chosen = [each for each in SCENARIOS if not each.startswith(("webassembly", "candid/"))]
    cases = [judged(implementation(), each) for each in chosen]
    wrong = [case for case in cases if case.verdict.name not in ("pass", "not_applicable")]
    assert [(case.id, case.verdict.name, case.verdict.why) for case in wrong] == []
