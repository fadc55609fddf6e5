"""PocketIC is judged by its interface: a right server passes, each that answers wrongly in one way fails."""

import os
import sys
from pathlib import Path

import pytest

from conformance.adapters.executable import server_at
from conformance.adapters.pocket_ic import PocketIc
from conformance.adapters.renaming import Renamed
from conformance.adapters.tests.between import servers_between
from conformance.commands.conform import main
from conformance.judging.engines import judges_itself
from conformance.judging.verdicts import Fail, NotApplicable, Pass
from conformance.protocol.interface import CannotStart, Unsupported
from conformance.running.run import judge
from conformance.suite.loading import all_scenarios

EXECUTABLE = Path(sys.executable).with_name("pocket-ic")
WRONG_SERVER = Path(__file__).with_name("wrong_server.mjs")
SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
ANSWERS = "requests/a_canister_answers"
QUERY = "composite/keeps_nothing"
REJECT = "requests/own_reject"
REFUSED = "requests/missing_canister"
STATE = "requests/read_state"
OUTCALL = "transforming_functions/fewer_results"
FAULTS = {
    "changes_replies": ANSWERS,
    "changes_reject_codes": REJECT,
    "changes_errors": REJECT,
    "changes_texts": REJECT,
    "invents_reject_codes": REJECT,
    "changes_answers_to_queries": QUERY,
    "forges_certificates": STATE,
    "tells_another_root_key": STATE,
    "loses_calls": ANSWERS,
    "takes_all_calls": REFUSED,
    "refuses_calls": ANSWERS,
    "runs_no_rounds": ANSWERS,
    "goes_back_in_time": ANSWERS,
    "answers_no_json": ANSWERS,
    "fails": ANSWERS,
    "hangs_up": ANSWERS,
}
"""Which scenario shows each fault."""
OTHERS = (OUTCALL, "requests/expired_request", "lifecycle/specified_id")


@pytest.fixture(scope="module")
def server():
    """The server of this project, started as any executable is."""
    with server_at(str(EXECUTABLE)) as url:
        yield url


@pytest.fixture
def answering_wrongly(server):
    """A server with a fault."""
    with servers_between(WRONG_SERVER, server) as begun:
        yield begun


def verdict(url, scenario):
    """The verdict on a server."""
    return judge(SCENARIOS[scenario], Renamed(PocketIc(url))).verdict


@pytest.mark.parametrize("scenario", sorted({*FAULTS.values(), *OTHERS}))
def test_a_right_server_passes(server, scenario):
    assert verdict(server, scenario) == Pass()


def test_a_server_between_that_changes_nothing_passes(answering_wrongly):
    assert verdict(answering_wrongly("none"), ANSWERS) == Pass()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_answers_wrongly_fails(answering_wrongly, fault):
    told = verdict(answering_wrongly(fault), FAULTS[fault])
    assert isinstance(told, Fail), told


def test_what_cannot_be_controlled_or_shown_is_not_applicable(server):
    small = next(each for each in SCENARIOS.values() if each.profile == "small-world" and not each.needs.deterministic)
    governed = next(each for each in SCENARIOS.values() if each.subnet_admins and not each.needs.capabilities)
    ordered = next(each for each in SCENARIOS.values() if each.needs.capabilities)
    reasons = {}
    for chosen in (small, governed, ordered):
        told = verdict(server, chosen.id)
        assert isinstance(told, NotApplicable), told
        reasons[chosen.id] = told.why
    assert "follow the profile" in reasons[small.id]
    assert "no admins" in reasons[governed.id]
    assert "does not offer" in reasons[ordered.id]


def test_an_instance_has_thirteen_nodes_and_the_limits_of_production(server):
    implementation = PocketIc(server)
    with pytest.raises(Unsupported, match="13 nodes"):
        implementation.reset("production", 34, 1_750_000_000 * 10**9, ())
    with pytest.raises(Unsupported, match="small-world"):
        implementation.reset("small-world", 13, 1_750_000_000 * 10**9, ())
    with pytest.raises(Unsupported, match="reset comes first"):
        implementation.advance(1, 0)


def test_a_server_of_this_project_is_not_judged_by_its_own_engine(server):
    assert judges_itself("fast", PocketIc(server).describe())


def test_the_command_judges_an_executable_and_a_running_server(server, capfd):
    for place in (str(EXECUTABLE), server):
        assert main(["--pocketic", place, "--only", REJECT, "--workers", "1"]) == 0
        written = capfd.readouterr().out
        assert "PocketIC at http://127.0.0.1:" in written
        assert "1 pass, 0 fail, 0 inconclusive, 0 not applicable" in written


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/none/such", "cannot start /none/such: No such file or directory"),
        ("/bin/true", "/bin/true ended with code 0 and told no port"),
        ("http://127.0.0.1:1", "does not answer"),
    ],
)
def test_what_is_no_server_is_told_in_one_line(place, told, capfd):
    assert main(["--pocketic", place, "--only", REJECT, "--workers", "1"]) == 2
    assert told in capfd.readouterr().err


def test_two_implementations_cannot_be_judged_at_once(capfd):
    assert main(["--pocketic", "a", "--implementation", "b"]) == 2
    assert "two implementations" in capfd.readouterr().err


def test_an_executable_is_ended_with_the_run(tmp_path):
    fake = tmp_path / "server"
    told = tmp_path / "told"
    fake.write_text(f'#!/bin/sh\necho $$ > "{told}"\necho 7 > "$2"\nexec sleep 100\n')
    fake.chmod(0o700)
    with server_at(str(fake)) as url:
        assert url == "http://127.0.0.1:7"
        process = int(told.read_text())
        os.kill(process, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(CannotStart), server_at(str(tmp_path)):
        pass
