"""A server of the HTTPS interface is judged by it: right ones pass, each that answers wrongly in one way fails."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.adapters.https import Https
from conformance.adapters.renaming import NAMED, Renamed
from conformance.adapters.tests.between import servers_between
from conformance.commands.conform import main
from conformance.judging.engines import judges_itself
from conformance.judging.verdicts import AsProduction, Fail, NotApplicable, Pass
from conformance.protocol.interface import Accepted, Replied, Unsupported
from conformance.protocol.users import WHO_SIGN, key_pair, key_pair_of
from conformance.running.run import judge
from conformance.suite.loading import all_scenarios
from conformance.suite.people import USERS, user
from spec.certification.plain_signatures import verify_plain_signature
from spec.state.request import Request
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER
from spec.values.management import (
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND

SERVE = (sys.executable, "-m", "spec.tooling.command_line", "serve")
WRONG_SERVER = Path(__file__).with_name("wrong_https_server.mjs")
SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
ANSWERS = "requests/a_canister_answers"
QUERY = "queries/query_sees_caller"
REFUSED = "requests/stopped_canister"
STATE = "requests/read_state"
REJECT = "requests/own_reject"
SPECIFIED = "lifecycle/specified_id"
CONTROLLERS = "lifecycle/controllers_change"
RIGHT = {
    "none": ANSWERS,
    "is_slow": ANSWERS,
    "does_not_say_that_it_is_cbor": STATE,
    "has_no_asynchronous_calls": REJECT,
    "refuses_with_other_codes": REFUSED,
}
"""Servers that answer as rightly as the one behind them, and a scenario for each."""
FAULTS = {
    "tells_another_root_key": ANSWERS,
    "tells_no_root_key": ANSWERS,
    "forges_certificates": ANSWERS,
    "tells_no_certificates": ANSWERS,
    "repeats_a_certificate": ANSWERS,
    "lets_nobody_read": STATE,
    "changes_answers_to_queries": QUERY,
    "changes_signatures": QUERY,
    "signs_no_answers": QUERY,
    "answers_the_query_before": QUERY,
    "refuses_queries": QUERY,
    "invents_codes_of_refusals": REFUSED,
    "loses_calls": ANSWERS,
    "takes_all_calls": REFUSED,
    "refuses_calls": ANSWERS,
    "answers_no_cbor": QUERY,
    "fails": QUERY,
    "hangs_up": ANSWERS,
}
"""Which scenario shows each fault."""


@contextmanager
def served(folder, *arguments):
    """A server of the reference implementation."""
    port_file = folder / "port"
    command = [*SERVE, "--port-file", str(port_file), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{int(port_file.read_text())}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The root subnet."""
    with served(tmp_path_factory.mktemp("root")) as url:
        yield url


@pytest.fixture(scope="module")
def delegated(tmp_path_factory):
    """A subnet to which the root subnet delegates."""
    with served(tmp_path_factory.mktemp("delegated"), "--delegated") as url:
        yield url


@pytest.fixture
def between(server):
    """Servers that answer otherwise."""
    with servers_between(WRONG_SERVER, server) as begun:
        yield begun


def verdict(url, scenario):
    """The verdict on a server."""
    return judge(SCENARIOS[scenario], Renamed(Https(url))).verdict


@pytest.mark.parametrize("scenario", sorted({*FAULTS.values(), *RIGHT.values(), SPECIFIED, CONTROLLERS}))
def test_a_right_server_passes(server, scenario):
    assert verdict(server, scenario) == Pass()


@pytest.mark.parametrize("scenario", [ANSWERS, QUERY, STATE, SPECIFIED])
def test_so_does_a_subnet_whose_certificates_are_for_its_own_canisters_alone(delegated, scenario):
    assert verdict(delegated, scenario) == Pass()


def test_a_scenario_passes_again_on_an_instance_that_has_what_it_made_before(server):
    for _ in range(2):
        assert verdict(server, SPECIFIED) == Pass()


@pytest.mark.parametrize("way", RIGHT)
def test_a_server_that_is_right_in_another_way_passes(between, way):
    assert verdict(between(way), RIGHT[way]) == Pass()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_answers_wrongly_fails(between, fault):
    told = verdict(between(fault), FAULTS[fault])
    assert isinstance(told, Fail), told


def test_codes_of_refusals_are_open_but_production_has_its_own(server, between):
    """No rule says with which code a call is refused that is not taken in; so it is told, and no failure."""
    found = {}
    for name, url in (("right", server), ("other", between("refuses_with_other_codes"))):
        found[name] = judge(SCENARIOS[REFUSED], Renamed(Https(url, ("production",))))
    assert {case.verdict for case in found.values()} == {Pass()}
    assert found["right"].as_production is AsProduction.YES
    assert found["other"].as_production is AsProduction.NO
    assert any("SYS_TRANSIENT" in each for each in found["other"].departures), found["other"].departures


def test_what_cannot_be_controlled_or_shown_is_not_applicable(server):
    reasons = {}
    for scenario in ("expiry/late_cycles", "requests/vouched_for", "lifecycle/admins_manage"):
        told = verdict(server, scenario)
        assert isinstance(told, NotApplicable), told
        reasons[scenario] = told.why
    assert reasons == {
        "expiry/late_cycles": "time passes by itself, and nobody waits for 20 s",
        "requests/vouched_for": "nobody can sign for a canister what it says of a sender",
        "lifecycle/admins_manage": "nobody can say who administers the subnet",
    }


def test_the_size_of_the_subnet_and_the_profile_are_those_of_the_server(server):
    implementation = Https(server)
    with pytest.raises(Unsupported, match="13 nodes, and not 34"):
        implementation.reset("production", 34, 0, ())
    with pytest.raises(Unsupported, match="small-world"):
        implementation.reset("small-world", 13, 0, ())
    with pytest.raises(Unsupported, match="reset comes first"):
        Https(server).advance(1, 0)


def test_an_id_that_a_scenario_names_is_another_one_in_the_instance(server):
    behind = Https(server)
    renamed = Renamed(behind)
    now = renamed.reset("production", 13, 0, ()).system_time
    wanted = encode_arguments(ProvisionalCreateArguments(amount=1, specified_id=NAMED))
    method = "provisional_create_canister_with_cycles"
    expiry = now + 200 * NANOSECONDS_PER_SECOND
    request = Request(b"1", expiry, user("alice"), MANAGEMENT_CANISTER, method, wanted)
    taken = renamed.submit(request, MANAGEMENT_CANISTER)
    assert isinstance(taken, Accepted)
    renamed.advance(20, 0)
    seen = renamed.answer(taken.request_id)
    assert isinstance(seen, Replied)
    assert decode_canister_id_result(seen.data) == NAMED
    assert behind.renaming.stands != NAMED
    status = renamed.read(user("alice"), MANAGEMENT_CANISTER, [(b"request_status", taken.request_id, b"status")])
    assert status.values == (b"replied",)
    controllers = renamed.read(user("alice"), NAMED, [(b"canister", NAMED, b"controllers")])
    assert user("alice") in controllers.values[0]


@pytest.mark.parametrize("name", WHO_SIGN)
def test_users_are_named_by_keys_with_which_adapters_sign(name):
    pair = key_pair(name)
    assert pair.principal == user(name)
    assert user(name) in USERS
    assert key_pair_of(user(name)) == pair
    assert verify_plain_signature(pair.public_key, pair.sign(b"a message"), b"a message")
    assert key_pair_of(ANONYMOUS) is None


def test_a_server_of_this_project_is_not_judged_by_its_own_engine(server):
    assert judges_itself("fast", Https(server).describe())


def test_the_command_judges_a_server_and_tells_the_reasons(server, capfd):
    assert main(["--http", server, "--only", f"{REJECT}|expiry/late_cycles", "--workers", "1"]) == 0
    written = capfd.readouterr().out
    assert "1 pass, 0 fail, 0 inconclusive, 1 not applicable" in written
    assert "time passes by itself" in written


def test_of_a_server_of_which_it_is_claimed_it_is_told_what_is_as_production(server, capfd):
    several = f"{REJECT}|modules/too_many_methods|reserved_cycles/more"
    assert main(["--http", server, "--only", several, "--workers", "1", "--claim-production"]) == 0
    written = capfd.readouterr().out
    assert "2 pass, 0 fail, 0 inconclusive, 1 not applicable; as production: 2 yes, 0 no, 1 not claimed" in written
    assert "the subnet holds what others made" in written


def test_whoever_describes_itself_claims_for_itself(capfd):
    assert main(["--implementation", "mine", "--claim-production"]) == 2
    assert "--claim-production is for --http and --pocketic" in capfd.readouterr().err


def test_requests_of_scenarios_that_begin_together_are_not_taken_for_the_same(server):
    """Both number their requests alike, and may begin at the same time."""
    first, second = Renamed(Https(server)), Renamed(Https(server))
    now = max(each.reset("production", 13, 0, ()).system_time for each in (first, second))
    method = "provisional_create_canister_with_cycles"
    wanted = encode_arguments(ProvisionalCreateArguments(amount=1))
    expiry = now + 200 * NANOSECONDS_PER_SECOND
    request = Request(b"1", expiry, user("alice"), MANAGEMENT_CANISTER, method, wanted)
    made = []
    for each in (first, second):
        taken = each.submit(request, MANAGEMENT_CANISTER)
        assert taken == each.submit(request, MANAGEMENT_CANISTER)
        each.advance(20, 0)
        seen = each.answer(taken.request_id)
        assert isinstance(seen, Replied)
        made.append(decode_canister_id_result(seen.data))
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("http://127.0.0.1:1", "does not answer"),
        ("/none/such", "/none/such is no address of a server: it does not begin with http://"),
    ],
)
def test_what_is_no_server_is_told_in_one_line(place, told, capfd):
    assert main(["--http", place, "--only", REJECT, "--workers", "1"]) == 2
    assert told in capfd.readouterr().err
