"""What `canister_status` tells, to readers of the interface that the specification is of and to those of later ones."""

import pytest

from reference_impl.management.status import status_of
from reference_impl.reads.queries import Query
from reference_impl.tests.conftest import MINUTE, USER
from spec.values.candid import field_id, read_as_sent
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import CanisterIdArguments, decode_canister_status, encode_arguments

LOG_LIMIT, LOG_SIZE = field_id("log_memory_limit"), field_id("log_memory_store_size")


@pytest.fixture(params=[False, True], ids=["as specified", "with newer fields"])
def told(request, new_stage, script):
    """The stage, a canister that has printed, and what it tells to a call, to a query, and to a canister."""
    stage = new_stage(tells_newer_fields=request.param)
    prints = script(updates={"print": lambda entry: entry.returns(b"", logs=(b"seven b",))})
    canister_id = stage.create(prints)
    stage.call(canister_id, "print")
    arguments = CanisterIdArguments(canister_id)
    by_call = stage.manage("canister_status", arguments)
    expiry = stage.engine.instance.system_time + MINUTE
    query = Query(b"", expiry, USER, MANAGEMENT_CANISTER, "canister_status", encode_arguments(arguments))
    by_query = stage.engine.query(query, canister_id).data
    return request.param, stage.engine.instance, canister_id, by_call, by_query


def test_who_expects_the_specified_record_reads_the_same_with_newer_fields_and_without(told):
    _, instance, canister_id, by_call, by_query = told
    assert decode_canister_status(by_query) == status_of(instance, instance.canisters[canister_id])
    assert decode_canister_status(by_call).settings == decode_canister_status(by_query).settings


def test_newer_fields_tell_how_much_the_log_may_hold_and_holds_and_are_not_there_otherwise(told):
    newer, instance, canister_id, by_call, by_query = told
    for reply in (by_call, by_query):
        (record,) = read_as_sent(reply).values
        settings, metrics = record[field_id("settings")], record[field_id("memory_metrics")]
        assert (LOG_LIMIT in settings, LOG_SIZE in metrics) == (newer, newer)
        if newer:
            assert settings[LOG_LIMIT] == 4096 == instance.profile.limits.log_capacity
            assert metrics[LOG_SIZE] == 40 + len("seven b")
