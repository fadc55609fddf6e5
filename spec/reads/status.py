"""The status endpoint, `/api/v2/status`. Source: https-interface, status endpoint."""

from collections.abc import Mapping
from typing import Final

import cbor2

from spec.state.state import State
from spec.values.checklist import defines
from spec.values.identifiers import Blob

SELF_DESCRIBED: Final = 55799
"""The CBOR tag with which answers begin. Source: https-interface, CBOR encoding."""

SELF_DESCRIPTION: Final = bytes.fromhex("d9d9f7")
"""That tag as it is written."""

ROOT_KEY: Final = "root_key"


@defines("http.endpoint.status")
def status_answer(state: State) -> Blob:
    """What is answered to anybody: the root key, DER-encoded, which development instances must have; nothing else."""
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, {ROOT_KEY: state.root_key}))


@defines("http.endpoint.status", "unspec.value.status-endpoint")
def is_status_answer(state: State, answer: Blob) -> bool:
    """Whether an answer is allowed: the root key, if it is there, is the right one; other fields may be anything."""
    try:
        fields = cbor2.loads(answer)
    except (cbor2.CBORDecodeError, ValueError):
        return False
    if not answer.startswith(SELF_DESCRIPTION) or not isinstance(fields, Mapping):
        return False
    return all(isinstance(name, str) for name in fields) and fields.get(ROOT_KEY, state.root_key) == state.root_key
