"""The status endpoint."""

import cbor2
import pytest
from attrs import evolve

from spec.reads.status import SELF_DESCRIBED, is_status_answer, status_answer
from spec.rules.tests.worlds import world

STATE = evolve(world(), root_key=b"DER-encoded root key")


def answer(value, tag=SELF_DESCRIBED):
    return cbor2.dumps(cbor2.CBORTag(tag, value))


@pytest.mark.checklist("http.endpoint.status", "unspec.value.status-endpoint")
def test_the_status_tells_the_root_key_and_nothing_else():
    assert status_answer(STATE) == answer({"root_key": b"DER-encoded root key"})
    assert is_status_answer(STATE, status_answer(STATE))


@pytest.mark.checklist("unspec.value.status-endpoint")
@pytest.mark.parametrize(
    "fields", [{}, {"replica_version": "1"}, {"root_key": b"DER-encoded root key", "health": {"is": [1, None]}}]
)
def test_an_implementation_may_leave_the_root_key_out_and_add_fields_of_any_kind(fields):
    assert is_status_answer(STATE, answer(fields))


@pytest.mark.checklist("http.endpoint.status")
@pytest.mark.parametrize(
    "wrong",
    [
        answer({"root_key": b"another key"}),
        answer({"root_key": "DER-encoded root key"}),
        answer({1: b"not a name"}),
        answer([b"DER-encoded root key"]),
        answer({}, tag=24),
        cbor2.dumps({}),
        b"",
        status_answer(STATE)[:-1],
    ],
)
def test_another_root_key_and_another_encoding_are_not_allowed(wrong):
    assert not is_status_answer(STATE, wrong)
