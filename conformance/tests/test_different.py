"""
The judge is fair: implementations that rightly differ from production pass, and their partners that go beyond fail.

What differs is what the text leaves open. `deep` runs every scenario on each of them.
"""

import pytest

from conformance.judging.environment import CALM, HOSTILE, Environment, loaded
from conformance.protocol.interface import Capability
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted import (
    answering,
    candid_writers,
    composing,
    drifting,
    ordering,
    prices,
    refusing,
    rejecting,
    repeating,
    waiting,
    wording,
)
from conformance.tests.planted.bugs import BlackBox, MixesUpTheQueue
from conformance.tests.planted.repeating_requests import Exchange, Noting, answers_alike

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

DIFFERENT: list[tuple[type[BlackBox], str]] = [
    (rejecting.RejectsAsFatal, "refusals/to_empty_canister"),
    (rejecting.RejectsAsTransient, "refusals/to_missing_canister"),
    (rejecting.RejectsAsInvalidDestination, "information/metadata"),
    (rejecting.RejectsAsCanisters, "management_rejects/unknown_method"),
    (rejecting.RejectsAsErrors, "refusals/to_canister_out_of_cycles"),
    (rejecting.RejectsInTurn, "management_rejects/undecodable"),
    (rejecting.RejectsMissingMethodsAtOnce, "requests/unknown_method"),
    (rejecting.SaysItInItsOwnWords, "requests/unknown_method"),
    (wording.SaysSomethingElse, "calls/words_of_the_system"),
    (wording.SaysSomethingElse, "composite/words_of_the_system"),
    (wording.SaysHalf, "calls/words_of_the_system"),
    (wording.SaysHalf, "lifecycle/fee_is_missing"),
    (wording.SaysNothing, "calls/words_of_the_system"),
    (wording.SaysNothing, "composite/words_of_the_system"),
    (wording.TellsWhatItSays, "calls/words_of_the_system"),
    (wording.TellsWhatItSays, "composite/words_of_the_system"),
    (rejecting.TellsNoReasons, "starvation/no_response"),
    (rejecting.TellsOtherReasons, "snapshots/load_missing"),
    (rejecting.RefusesInItsOwnWay, "requests/inspection"),
    (rejecting.RefusesWithoutAWord, "requests/missing_canister"),
    (rejecting.TakesNoChangeForFrozen, "settings/thawing"),
    (answering.RejectsManagementQueries, "composite/log_visibility"),
    (answering.RefusesQueriesToNobody, "queries/queries_without_answer"),
    (answering.TellsErrorCodesAndTheNetwork, "reads/reject_of_the_system"),
    (answering.ReadsControllersBackwards, "who_may/queries"),
    (answering.ReadsControllersBackwards, "controlling/controllers_at_creation"),
    (answering.ReadsOtherItems, "who_may/queries"),
    (answering.Records, "composite/logs"),
    (answering.RecordsNothingOfFailures, "composite/logs"),
    (answering.Records, "composite/logs_relayed"),
    (answering.RecordsNothingOfFailures, "composite/logs_relayed"),
    (answering.CutsTraps, "composite/logs"),
    (answering.KeepsBeginnings, "composite/logs"),
    (answering.KeepsBeginnings, "told/logs"),
    (answering.KeepsBeginnings, "installation/logs_of_failed_installations"),
    (answering.KeepsLongerBeginnings, "composite/large_logs"),
    (answering.ListsCanistersAlone, "who_may/queries"),
    (answering.NumbersLogsFromAThousand, "told/logs"),
    (answering.DropsLogsOfInstallations, "installation/logs_of_failed_installations"),
    (BlackBox, "installation/logs_of_failed_installations"),
    (refusing.RefusesGrowthsOfHooks, "installation/memories_grow_in_hooks"),
    (refusing.TrapsAtGrowthsOfHooks, "installation/memories_grow_in_hooks"),
    (ordering.StopsLate, "lifecycle/stopping"),
    (ordering.CleansUpLate, "starvation/starvation_in_a_chain"),
    (ordering.AnswersUsersLate, "requests/together"),
    (ordering.RunsTimersLate, "tasks/global_timer"),
    (ordering.BeginsOneRequestAfterTheOther, "requests/together"),
    (ordering.BeatsHearts, "tasks/heartbeat_at_pleasure"),
    (ordering.BeatsHeartsTwice, "tasks/heartbeat_at_pleasure"),
    (ordering.BeatsHeartsTwice, "acts_everywhere/heartbeat"),
    (ordering.BeatsHeartsOften, "tasks/heartbeat_at_pleasure"),
    (ordering.BeatsHeartsInEveryRound, "tasks/heartbeat_at_pleasure"),
    (ordering.ExpiresCalls, "calls/deadlines"),
    (ordering.ExpiresCalls, "expiry/late_cycles"),
    (ordering.GivesLateCyclesBack, "expiry/late_cycles"),
    (ordering.CountsCanistersOtherwise, "lifecycle/new_canister"),
    (ordering.NamesSnapshotsOtherwise, "snapshots/list_and_delete"),
    (answering.GivesOldCertificates, "queries/certificate_told"),
    (answering.CertifiesMore, "queries/certificate_told"),
    (answering.GivesDelegatedCertificates, "queries/certificate_told"),
    (ordering.ShufflesBySeed, "calls/two_callees"),
    (ordering.ShufflesAgain, "requests/together"),
    (ordering.ShufflesOnceMore, "traps/callback_traps"),
    (candid_writers.AddsFields, "lifecycle/new_canister"),
    (candid_writers.AddsResults, "lifecycle/new_canister"),
    (candid_writers.HasUnusedTypes, "lifecycle/new_canister"),
    (candid_writers.ListsSetsBackwards, "snapshots/list_and_delete"),
    (candid_writers.ListsSetsBackwards, "features_meet/settings_stay"),
    (candid_writers.LeavesOutOptions, "lifecycle/new_canister"),
    (candid_writers.WritesCasesAlone, "lifecycle/new_canister"),
    (candid_writers.AddsFieldsForCanisters, "information/changes"),
    (composing.CallsTheLatestFirst, "composite/two_calls"),
    (composing.CallsTheLatestFirst, "composite/two_calls_within_two"),
    (composing.CallsTheLatestFirstWithin, "composite/two_calls_within_two"),
    (composing.RejectsCallsToNobodyAsFatal, "composite/callees_that_cannot"),
    (composing.RejectsManagementCallsAsCanisters, "composite/own_status"),
    (refusing.RefusesGrowths, "system_api_canister/stable_grows"),
    (refusing.RefusesGrowths, "settings/heap_limit"),
    (refusing.RefusesGrowthsAtOwnPrices, "system_api_canister/stable_grows"),
    (refusing.RefusesGrowthsOfInspections, "requests/inspection_grows"),
    (refusing.RefusesThenTraps, "kept_through/failing_messages"),
    (refusing.RefusesSomeGrowths, "acts_everywhere/replicated_query"),
    (refusing.TrapsAtGrowthsOfInspections, "requests/inspection_that_may_grow"),
    (rejecting.RefusesInItsOwnWay, "requests/inspection_traps"),
    (refusing.TrapsAtGrowths, "system_api_canister/stable_grows"),
    (refusing.TrapsAtGrowths, "settings/heap_limit"),
    (refusing.RefusesGrowthsOfQueries, "queries/memories_grow"),
    (refusing.TrapsAtGrowthsOfQueries, "queries/memories_grow"),
    (refusing.RefusesThenTrapsInQueries, "queries/memories_grow"),
    (refusing.TrapsAtGrowths, "features_meet/environments_of_callbacks"),
    (refusing.TrapsAtLaterGrowths, "system_api_canister/stable_grows"),
    (refusing.RefusesThenTraps, "system_api_canister/stable_grows"),
    (refusing.RefusesLaterGrowths, "system_api_canister/stable_grows"),
    (refusing.RefusesSomeGrowths, "features_meet/environments_of_callbacks"),
    (repeating.TakesInRepetitions, "requests/no_replay"),
    (drifting.ForgetsAnswers, "requests/answers_stay"),
    (drifting.RaisesVersions, "lifecycle/stop_and_start"),
    (drifting.RaisesVersions, "asked_everywhere/reply_callback"),
    (drifting.RaisesVersionsFar, "asked_everywhere/version_in_pre_upgrade"),
    (drifting.RaisesVersionsFar, "tasks/versions"),
    (drifting.ExplainsRaisedVersions, "information/changes"),
    (drifting.RaisesVersionsWithMessages, "information/change_by_canister"),
    (drifting.RaisesVersionsAllTheTime, "installation/install_runs_init"),
    (drifting.RaisesVersionsAllTheTime, "asked_in_states/frozen"),
    (drifting.RaisesVersionsAllTheTime, "asked_everywhere/version_in_pre_upgrade"),
    (drifting.RaisesVersionsWithEverything, "installation/install_runs_init"),
    (drifting.TrimsHistories, "information/changes"),
    (waiting.RefusesDistantExpiries, "requests/together"),
    (waiting.RefusesDistantExpiries, "features_meet/expired_before_it_starts"),
    (waiting.LetsCallsWait, "refusals/to_canister_out_of_cycles"),
    (waiting.TimesStopsOut, "features_meet/timer_and_stopping"),
    (waiting.TellsThatStopsTimeOut, "features_meet/timer_and_stopping"),
    (waiting.TimesOneStopOut, "lifecycle/stopping"),
    (waiting.CountsQueries, "lifecycle/new_canister"),
    (waiting.IsReadyForMigration, "lifecycle/stop_and_start"),
    (prices.HasOtherPrices, "calls/some_cycles_accepted"),
    (prices.PaysAllTheTime, "lifecycle/deposit"),
    (prices.PaysAllTheTime, "lifecycle/new_canister"),
    (prices.PaysAllTheTime, "full_balances/largest_balance"),
    (prices.IsNearlyFree, "settings/charged"),
    (prices.HasOtherLimits, "lifecycle/top_up"),
    (prices.HasOtherPrices, "asked_everywhere/inspect_message"),
    (prices.HasLargerFigures, "asked_everywhere/inspect_message"),
    (prices.HasSmallerFigures, "told_in_callbacks/deadlines"),
]
"""Implementations that are right, each with a scenario in which it differs."""

BEYOND: list[tuple[type[BlackBox], str]] = [
    (rejecting.RejectsForStoppedAsTransient, "refusals/to_stopped_canister"),
    (rejecting.RejectsForFrozenAsError, "refusals/to_frozen_canister"),
    (rejecting.RejectsForTooFewCyclesAsTransient, "refusals/with_too_few_cycles"),
    (rejecting.RejectsOfUninstalledAsError, "lifecycle/uninstall_while_stopping"),
    (rejecting.RejectsOfRestartedAsTransient, "lifecycle/start_while_stopping"),
    (rejecting.RejectsOfStarvedAsTransient, "starvation/no_response_to_canister"),
    (rejecting.LeavesUsersUnsure, "management_rejects/undecodable"),
    (rejecting.RejectsSomeMethodsAtOnce, "requests/a_canister_answers"),
    (rejecting.ChangesWhatCanistersSay, "requests/own_reject"),
    (rejecting.SaysItOtherwiseEachTime, "requests/unknown_method"),
    (wording.ChangesWhatCanistersHear, "calls/reject_comes_back"),
    (wording.ChangesWhatCanistersHear, "composite/reject_in_composite"),
    (wording.SaysItWithAnotherCode, "calls/words_of_the_system"),
    (wording.SaysItWithAnotherCode, "composite/words_of_the_system"),
    (wording.ClaimsTheUsualText, "calls/words_of_the_system"),
    (rejecting.BlamesCanisters, "starvation/no_response"),
    (rejecting.RefusesNothing, "requests/missing_canister"),
    (rejecting.TakesAnythingForFrozen, "requests/frozen_canister"),
    (answering.AnswersEverybody, "composite/log_visibility"),
    (answering.RefusesQueriesToStopped, "queries/queries_without_answer"),
    (answering.HidesRejectMessages, "reads/reject_of_the_system"),
    (answering.LetsReadEverything, "reads/forbidden"),
    (answering.ReadsOneControllerTwice, "who_may/queries"),
    (answering.ReadsControllersAlone, "who_may/queries"),
    (answering.ReadsNoText, "reads/reject_of_the_system"),
    (answering.PrintsNothing, "composite/logs"),
    (answering.PrintsSomethingElse, "composite/logs"),
    (answering.PrintsSomethingElse, "composite/logs_relayed"),
    (answering.RecordsSuccesses, "composite/logs"),
    (answering.RecordsRejectedCalls, "lifecycle/bad_settings"),
    (answering.DatesLogsLater, "composite/logs"),
    (answering.DropsTheEnds, "composite/logs"),
    (answering.NumbersLogsAnew, "told/logs"),
    (ordering.UsesIdsAgain, "lifecycle/delete"),
    (answering.ListsSomeCanisters, "who_may/queries"),
    (ordering.StopsAtOnce, "lifecycle/stopping"),
    (ordering.CutsBeatsShort, "tasks/heartbeat_at_pleasure"),
    (drifting.RenamesCanisters, "lifecycle/stop_and_start"),
    (ordering.FiresTimersEarly, "tasks/global_timer"),
    (ordering.RepeatsTimers, "tasks/global_timer"),
    (ordering.GivesLateCyclesBackTwice, "expiry/late_cycles"),
    (ordering.UsesIdsOfUsers, "lifecycle/new_canister"),
    (answering.GivesCertificatesOfTheFuture, "queries/certificate_told"),
    (answering.CertifiesSomethingElse, "queries/certificate_told"),
    (answering.SignsNothing, "queries/certificate_told"),
    (answering.CertifiesForOthers, "queries/certificate_told"),
    (answering.CertifiesOutOfOrder, "queries/certificate_told"),
    (answering.GivesNoCertificates, "system_api_canister/certificate"),
    (MixesUpTheQueue, "calls/calls_keep_their_order"),
    (candid_writers.ListsEverythingBackwards, "composite/logs"),
    (candid_writers.LeavesOutAField, "lifecycle/new_canister"),
    (candid_writers.WritesIntegersForNaturals, "lifecycle/new_canister"),
    (composing.AnswersAllCallsAlike, "composite/two_calls"),
    (composing.AnswersInnerCallsAlike, "composite/two_calls_within_two"),
    (composing.RejectsCallsToStoppedAsFatal, "composite/callees_that_cannot"),
    (refusing.GrowsWhatItRefuses, "kept_or_lost/chunks"),
    (refusing.KeepsWhatTrappingGrowthsDid, "kept_or_lost/chunks"),
    (answering.DatesLogsOfInstallationsLater, "installation/logs_of_failed_installations"),
    (refusing.InstallsInSpiteOfTraps, "installation/memories_grow_in_hooks"),
    (refusing.TrapsInQueries, "queries/query_sees_caller"),
    (refusing.RefusesTheWelcome, "requests/inspection"),
    (refusing.RefusesCalls, "calls/two_callees"),
    (repeating.RepeatsRequests, "requests/no_replay"),
    (drifting.ForgetsRequestsTooSoon, "requests/answers_stay"),
    (drifting.LowersVersions, "information/changes"),
    (drifting.TellsFirstChangesLater, "information/changes"),
    (drifting.RemembersLowerVersions, "asked_everywhere/version_in_pre_upgrade"),
    (prices.GivesCyclesAway, "lifecycle/deposit"),
    (prices.HasOtherPricesUnsaid, "asked_everywhere/inspect_message"),
    (prices.MiscountsChanges, "information/change_by_canister"),
    (prices.FreezesSooner, "lifecycle/new_canister"),
    (prices.HasSmallerFiguresUnsaid, "snapshots/too_many"),
    (prices.HasSmallerFiguresUnsaid, "settings/twenty_variables"),
    (prices.HasSmallerFiguresUnsaid, "expiry/longest_timeout"),
    (waiting.LetsCallsToStoppedWait, "refusals/to_stopped_canister"),
    (waiting.TimesStopsOutAtOnce, "features_meet/timer_and_stopping"),
    (waiting.IsReadyTooSoon, "lifecycle/new_canister"),
    (waiting.TellsHigherVersions, "lifecycle/stop_and_start"),
    (waiting.TellsFallingVersions, "lifecycle/stop_and_start"),
    (waiting.ExplainsAndTellsHigherVersions, "lifecycle/stop_and_start"),
    (waiting.RefusesOneRequest, "requests/together"),
    (waiting.RefusesNearExpiries, "requests/together"),
    (ordering.ExpiresOneCallEarly, "calls/deadlines"),
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
    other = judged(rejecting.RejectsAsFatal(), "refusals/to_empty_canister")
    assert other.as_production.value == "no"
    assert other.departures == ("reject_call_to_empty_canister rejects with SYS_FATAL; production: CANISTER_ERROR",)
    asking = judged(composing.RejectsManagementCallsAsCanisters(), "composite/own_status")
    assert asking.departures == ("a call of a query is rejected with CANISTER_REJECT; production: CANISTER_ERROR",)
    trapping = judged(rejecting.RefusesInItsOwnWay(), "requests/inspection_traps")
    assert trapping.departures == ("is refused with SYS_FATAL (1); production: CANISTER_ERROR (5)",)
    same = judged(BlackBox(), "refusals/to_empty_canister")
    assert (same.as_production.value, same.departures) == ("yes", ())


@pytest.mark.parametrize(
    ("implementation", "scenario_id"),
    [
        (prices.HasOtherLimits, "modules/too_many_globals"),
        (prices.HasOtherLimits, "management_rejects/default_cycles"),
        (prices.HasOtherPrices, "reserved_cycles/more"),
        (prices.IsNearlyFree, "requests/frozen_canister"),
        (prices.IsNearlyFree, "asked_in_states/frozen"),
        (prices.HasLargerFigures, "chunks/full_store"),
        (prices.HasLargerFigures, "settings/long_variable_name"),
        (prices.HasLargerFigures, "system_api/large_reply"),
        (prices.HasLargerFigures, "system_api_calls/large_payload"),
        (prices.HasOtherPrices, "bounds/counters"),
        (prices.HasOtherPrices, "system_api_canister/unknown_counter"),
        (prices.HasSmallerFigures, "snapshots/too_many"),
        (prices.HasSmallerFigures, "settings/twenty_variables"),
        (prices.HasSmallerFigures, "expiry/longest_timeout"),
    ],
    ids=named,
)
def test_what_prices_and_limits_decide_is_shown_by_who_has_those_of_the_profile(
    implementation: type[BlackBox], scenario_id: str
) -> None:
    """Of others it is not demanded."""
    assert judged(implementation(), scenario_id).verdict.name == "not_applicable"
    assert judged(BlackBox(), scenario_id).verdict.name == "pass"


@pytest.mark.parametrize(
    ("implementation", "scenario_id"),
    [
        (waiting.RefusesOneRequest, "requests/together"),
        (waiting.LosesOneRequest, "requests/together"),
        (waiting.TellsThatItLosesOne, "requests/together"),
        (waiting.TakesOneInLate, "requests/together"),
        (waiting.TakesTooLongForOneQuery, "queries/query_sees_caller"),
        (ordering.ExpiresOneCallEarly, "calls/deadlines"),
    ],
)
def test_a_system_that_has_much_to_do_may_do_less(implementation: type[BlackBox], scenario_id: str) -> None:
    """Refuse or lose a request, fail a query for its time, let a call expire early: once, where that is admitted."""
    for environment, verdict in ((CALM, "fail"), (loaded(1), "pass"), (HOSTILE, "pass")):
        busy, manner = implementation(), Manner(environment=environment)
        case = run_scenario(SCENARIOS[scenario_id], busy, busy.describe(), manner)
        assert case.verdict.name == verdict, case.verdict.why


@pytest.mark.parametrize(
    ("implementation", "environment", "verdict"),
    [
        (waiting.TakesTooLongForThreeQueries, loaded(2), "fail"),
        (waiting.TakesTooLongForThreeQueries, loaded(3), "pass"),
        (waiting.BlamesCanistersForTheTime, HOSTILE, "fail"),
    ],
)
def test_as_many_queries_may_take_too_long_as_the_environment_admits(
    implementation: type[BlackBox], environment: Environment, verdict: str
) -> None:
    """The system rejects them, not the canister."""
    slow, manner = implementation(), Manner(environment=environment)
    case = run_scenario(SCENARIOS["queries/memories_grow"], slow, slow.describe(), manner)
    assert case.verdict.name == verdict, case.verdict.why


@pytest.mark.parametrize("environment", [loaded(1), CALM])
def test_a_query_may_take_too_long_for_who_explains_itself_too(environment: Environment) -> None:
    slow = waiting.TakesTooLongForOneQuery()
    slow.capabilities = frozenset({Capability.EXPLAIN})
    chosen = SCENARIOS["queries/query_sees_caller"]
    case = run_scenario(chosen, slow, slow.describe(), Manner(environment=environment))
    assert (case.judged_by, case.verdict.name) == ("replay", "fail" if environment is CALM else "pass")


@pytest.mark.parametrize(
    ("implementation", "scenario_id"),
    [(waiting.HidesOneRequest, "requests/together"), (drifting.ForgetsRequestsTooSoon, "requests/answers_stay")],
)
def test_what_was_processed_was_not_lost(implementation: type[BlackBox], scenario_id: str) -> None:
    """However much there is to do."""
    busy, hostile = implementation(), Manner(environment=HOSTILE)
    assert run_scenario(SCENARIOS[scenario_id], busy, busy.describe(), hostile).verdict.name == "fail"


@pytest.mark.parametrize("scenario_id", ["reads/reject_of_the_system", "reads/reject_of_the_canister"])
def test_what_was_told_may_be_forgotten_at_once_where_there_is_much_to_do(scenario_id: str) -> None:
    """
    The certified state then tells that the request is done, or nothing where only its answer is read.

    It never tells a part of the answer. A calm system keeps its answers.
    """
    chosen, hostile = SCENARIOS[scenario_id], Manner(environment=HOSTILE)
    forgetting, hiding = drifting.ForgetsWhatItTold(), answering.HidesRejectMessages()
    case = run_scenario(chosen, forgetting, forgetting.describe(), hostile)
    assert case.verdict.name == "pass", case.verdict.why
    assert run_scenario(chosen, hiding, hiding.describe(), hostile).verdict.name == "fail"
    assert judged(forgetting, chosen.id).verdict.name == "fail"


AS_USUAL = (BlackBox, answering.RecordsNothingOfFailures)
"""The specification by itself records nothing of failures either."""


@pytest.fixture(scope="module")
def usual() -> dict[str, tuple[str, list[Exchange]]]:
    """Of each scenario the verdict on the specification as a black box, and what it was asked and answered."""
    found = {}
    for each, chosen in SCENARIOS.items():
        # How instructions compute and arguments are read is nothing of what the text leaves open.
        if not each.startswith(("webassembly", "candid/")):
            noting = Noting(BlackBox())
            verdict = run_scenario(chosen, noting, noting.describe(), Manner()).verdict.name
            found[each] = (verdict, noting.exchanges)
    return found


@pytest.mark.deep
@pytest.mark.parametrize("implementation", list(dict.fromkeys(each for each, _ in DIFFERENT)), ids=named)
def test_every_scenario_passes_whatever_is_left_open(
    implementation: type[BlackBox], usual: dict[str, tuple[str, list[Exchange]]]
) -> None:
    """All scenarios, judged as a black box where answers differ from the usual ones."""
    wrong, passed, judged_anew = [], 0, 0
    for each, (verdict, exchanges) in usual.items():
        if not answers_alike(implementation(), exchanges):
            case = judged(implementation(), each)
            judged_anew, verdict = judged_anew + 1, case.verdict.name
            if verdict not in ("pass", "not_applicable"):
                wrong.append((each, verdict, case.verdict.why))
        passed += verdict == "pass"
    print(f"{implementation.__name__}: {len(usual)} scenarios, {judged_anew} judged anew, {passed} pass, {wrong}")
    assert wrong == []
    assert {verdict for verdict, _ in usual.values()} <= {"pass", "not_applicable"}
    assert judged_anew or implementation in AS_USUAL
