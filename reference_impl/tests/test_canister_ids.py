"""Which ids the engine gives to new canisters, when it chooses them itself."""

import pytest

from spec.values.identifiers import Principal
from spec.values.management import (
    CreateCanisterArguments,
    ProvisionalCreateArguments,
    RawRandArguments,
    SettingsArguments,
    decode_canister_id_result,
)
from spec.values.rejects import Reject

FAR = Principal((10_000).to_bytes(8, "big") + b"\x01\x01")


def number_of(canister_id):
    return int.from_bytes(canister_id[:8], "big")


def created(stage, **arguments):
    """The id of a canister that a user creates."""
    answer = stage.manage("provisional_create_canister_with_cycles", ProvisionalCreateArguments(**arguments))
    return decode_canister_id_result(answer)


@pytest.mark.checklist("prod.ee_tests.create_multiple_canisters_with_specified_id")
def test_ids_that_were_asked_for_do_not_disturb_the_order_of_the_others(stage):
    before = created(stage)
    for offset in range(3):
        wanted = Principal((number_of(FAR) + offset).to_bytes(8, "big") + b"\x01\x01")
        assert created(stage, specified_id=wanted) == wanted
    assert number_of(created(stage)) == number_of(before) + 1


@pytest.mark.checklist("prod.canister_settings.failed_create_canister_does_not_reuse_canister_id")
def test_creations_that_are_rejected_take_no_id(stage):
    relay, _ = stage.relay("raw_rand", RawRandArguments())
    wrong = CreateCanisterArguments(SettingsArguments(compute_allocation=101))
    for _ in range(3):
        _, (rejected, _) = stage.relay("create_canister", wrong, cycles=10**13, relay=relay)
        assert isinstance(rejected, Reject)
    _, (answer, _) = stage.relay("create_canister", CreateCanisterArguments(), cycles=10**13, relay=relay)
    assert number_of(decode_canister_id_result(answer.data)) == number_of(relay) + 1
