"""What a server did and holds is told to Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reference_impl.server.https_interface.tests.in_process import COUNTER, User
from reference_impl.server.metrics import Holding, Metrics, endpoint_of
from spec.values.identifiers import principal_to_text

USER = User.of(1)


def figures(instance):
    """Every sample by its name and labels, read as Prometheus reads it."""
    answered = instance.request("GET", "/_/metrics")
    assert answered.status == 200
    assert answered.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    families = text_string_to_metric_families(answered.body.decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def requests(told):
    """The number of requests by endpoint and status."""
    named = {key: value for key, value in told.items() if key[0] == "icspec_requests_total"}
    return {tuple(value for _, value in sorted(key[1:])): int(value) for key, value in named.items()}


def test_requests_are_counted_by_endpoint_and_status(instance):
    canister_id = instance.installed(USER, COUNTER)
    before = requests(figures(instance))
    instance.call(USER, canister_id, "inc")
    for _ in range(2):
        instance.query(USER, canister_id, "get")
    assert instance.request("POST", f"/api/v3/canister/{principal_to_text(canister_id)}/query", b"wrong").status == 400
    assert instance.request("GET", "/api/v9/nothing").status == 404
    after = requests(figures(instance))
    grown = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
    assert grown.pop(("/_/metrics", "200")) == 1
    assert sum(count for (endpoint, status), count in grown.items() if "call" in endpoint and status == "200") == 1
    assert sum(count for (endpoint, status), count in grown.items() if "query" in endpoint and status == "200") == 2
    assert sum(count for (endpoint, status), count in grown.items() if "query" in endpoint and status == "400") == 1
    assert grown["other", "404"] == 1


def test_rounds_canisters_memory_cycles_and_executions_are_told(instance):
    empty = figures(instance)
    assert empty["icspec_canisters",] == empty["icspec_state_bytes",] == 0
    canister_id = instance.installed(USER, COUNTER)
    installed = figures(instance)
    assert installed["icspec_canisters",] == 1
    assert installed["icspec_state_bytes",] > 65_536
    assert installed["icspec_known_requests",] == 2
    instance.call(USER, canister_id, "inc")
    called = figures(instance)
    assert called["icspec_executions",] == installed["icspec_executions",] + 1
    assert called["icspec_cycles_burned",] > installed["icspec_cycles_burned",]
    assert called["icspec_round_seconds_count",] == installed["icspec_round_seconds_count",] + 1
    assert called["icspec_round_seconds_sum",] > installed["icspec_round_seconds_sum",]
    assert called["icspec_system_time_seconds",] * 10**9 == pytest.approx(instance.engine.instance.system_time)


def test_figures_are_got_and_not_posted(instance):
    assert instance.request("POST", "/_/metrics", b"").status == 405


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/v4/canister/aaaaa-aa/call", "/api/v4/canister/call"),
        ("/api/v3/subnet/aaaaa-aa/read_state", "/api/v3/subnet/read_state"),
        ("/api/v2/status", "/api/v2/status"),
        ("/api/v77/canister/aaaaa-aa/call", "other"),
        ("/api/nothing", "other"),
        ("/index.html", "page"),
    ],
)
def test_endpoints_are_few_whatever_is_asked_for(path, endpoint):
    assert endpoint_of(path) == endpoint


def test_servers_in_one_process_have_figures_of_their_own():
    one, other = Metrics(), Metrics()
    one.round_took(1.0)
    nothing = Holding(0, 0, 0, 0, 0, 0.0)
    assert b"icspec_round_seconds_count 1.0" in one.shown(nothing).body
    assert b"icspec_round_seconds_count 0.0" in other.shown(nothing).body


def test_a_client_that_hung_up_is_counted(instance):
    assert instance.request("POST", "/api/v3/canister/aaaaa-aa/query", [b"half", None]) is None
    assert requests(figures(instance)) == {("/api/v3/canister/query", "hung up"): 1}
