"""Principals: their textual form and their derivation."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Principal,
    derived_id,
    principal_from_text,
    principal_to_text,
    self_authenticating_id,
)


def test_well_known_principals_have_their_texts():
    assert principal_to_text(MANAGEMENT_CANISTER) == "aaaaa-aa"
    assert principal_to_text(ANONYMOUS) == "2vxsx-fae"
    assert principal_to_text(Principal(b"\xab\xcd\x01")) == "em77e-bvlzu-aq"
    assert principal_to_text(Principal(bytes.fromhex("00000000000000000101"))) == "rwlgt-iiaaa-aaaaa-aaaaa-cai"


@given(some.binary(max_size=29))
def test_every_principal_is_read_back_from_its_text(content):
    assert principal_from_text(principal_to_text(Principal(content))) == content


@pytest.mark.parametrize(
    "text",
    ["", "aaaaa", "aaaaaaa", "AAAAA-AA", "aaaaa-ab", "2vxsx-fa1", "2vxs-xfae", "not a principal", "aaaaa-aa-"],
)
def test_another_text_is_refused_with_a_reason(text):
    with pytest.raises(ValueError, match="is not a principal"):
        principal_from_text(text)


@pytest.mark.checklist("http.principal.classes")
def test_a_principal_of_thirty_bytes_is_refused():
    with pytest.raises(ValueError, match="length"):
        principal_from_text(principal_to_text(Principal(bytes(30))))


@pytest.mark.checklist("http.principal.classes")
def test_principals_tell_their_kind_by_the_last_byte():
    assert (MANAGEMENT_CANISTER, ANONYMOUS) == (b"", b"\x04")
    user = self_authenticating_id(b"a public key")
    assert (len(user), user[-1]) == (29, 2)
    derived = derived_id(user, b"nonce")
    assert (len(derived), derived[-1]) == (29, 3)
    assert derived != derived_id(user, b"other nonce")
