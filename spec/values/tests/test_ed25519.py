"""Keys are derived as the interface specification says, on the curve of RFC 8032."""

import hashlib
import hmac

import pytest

from spec.values.ed25519 import (
    BASE,
    FIELD,
    ORDER,
    ExtendedKey,
    child_key,
    compressed,
    decompressed,
    derived_key,
    hkdf,
    multiple,
    sum_of,
)

CHAIN_CODE = bytes(range(32))


def public_key(number):
    return compressed(multiple(number, BASE))


@pytest.mark.parametrize(
    ("secret", "public"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ),
    ],
)
def test_the_keys_of_the_examples_of_rfc_8032_come_out(secret, public):
    number = int.from_bytes(hashlib.sha512(bytes.fromhex(secret)).digest()[:32], "little")
    clamped = number & ~7 & (2**255 - 1) & ~(1 << 255) | 1 << 254
    assert public_key(clamped).hex() == public
    assert compressed(decompressed(bytes.fromhex(public))).hex() == public


def test_the_base_point_has_the_order_of_the_subgroup():
    assert multiple(ORDER, BASE) == (0, 1)
    assert sum_of(multiple(5, BASE), multiple(7, BASE)) == multiple(12, BASE)
    assert BASE[0] % 2 == 0


@pytest.mark.parametrize("content", [b"", bytes(31), (2).to_bytes(32, "little"), FIELD.to_bytes(32, "little")])
def test_other_bytes_are_no_point(content):
    assert decompressed(content) is None
    assert child_key(ExtendedKey(content, CHAIN_CODE), b"") is None
    assert derived_key(ExtendedKey(content, CHAIN_CODE), [b"a", b"b"]) is None


@pytest.mark.checklist("mgmt.ed25519-key-derivation")
@pytest.mark.parametrize("index", [b"", b"\0\0\0\1", bytes(1000)])
def test_a_child_key_is_the_parent_plus_the_tweak_times_the_base_point(index):
    parent = ExtendedKey(public_key(1234567), CHAIN_CODE)
    material = hmac.new(CHAIN_CODE, parent.public_key + index, hashlib.sha512).digest()
    first = hmac.new(material, b"Ed25519\1", hashlib.sha512).digest()
    second = hmac.new(material, first + b"Ed25519\2", hashlib.sha512).digest()
    tweak = int.from_bytes(first, "big") % ORDER
    assert child_key(parent, index) == ExtendedKey(public_key(1234567 + tweak), second[:32])


@pytest.mark.checklist("mgmt.ed25519-key-derivation")
def test_a_path_is_one_step_after_the_other_and_the_empty_path_is_the_key_itself():
    parent = ExtendedKey(public_key(99), CHAIN_CODE)
    assert derived_key(parent, []) == parent
    assert derived_key(parent, [b"a", b"b"]) == child_key(child_key(parent, b"a"), b"b")
    assert derived_key(parent, [b"a", b"b"]) != derived_key(parent, [b"b", b"a"])
    assert derived_key(parent, [b"ab"]) != derived_key(parent, [b"a", b"b"])


def test_as_many_bytes_are_made_as_are_asked_for():
    assert [len(hkdf(b"", b"\x0b" * 22, b"", size)) for size in (1, 64, 65, 96)] == [1, 64, 65, 96]
    assert hkdf(b"s", b"k", b"i", 96)[:10] == hkdf(b"s", b"k", b"i", 10)
