"""What a hook that traps leaves in the log of a canister: on both engines what it leaves in production."""

import pytest
import wasmtime

from properties.agreement.stage import ALICE, Stage
from spec.production.choices import as_production
from spec.state.canister import Empty
from spec.state.label import Label
from spec.state.request import Rejected, Replied
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import InstallCodeArguments, InstallMode, UpgradeMode, encode_arguments
from spec.values.rejects import RejectReason

HOOKS = {"start": "start", "init": "canister_init", "pre_upgrade": "canister_pre_upgrade"} | {
    "post_upgrade": "canister_post_upgrade",
    "update": "canister_update go",
}


def module(number: int, traps: str = "") -> bytes:
    """A module whose hooks print their names with a number; one of them traps then with the same words."""
    texts = {hook: f"{hook}_{number}" for hook in HOOKS}
    functions = [
        f"""(data (i32.const {64 * place}) "{text}")
        (func ${hook} {"" if hook == "start" else f'(export "{HOOKS[hook]}")'}
          (call $print (i32.const {64 * place}) (i32.const {len(text)}))
          {f"(call $trap (i32.const {64 * place}) (i32.const {len(text)}))" if hook == traps else ""}
          {"(call $reply)" if hook == "update" else ""})"""
        for place, (hook, text) in enumerate(texts.items())
    ]
    return bytes(
        wasmtime.wat2wasm(
            f"""(module (import "ic0" "debug_print" (func $print (param i32 i32)))
            (import "ic0" "trap" (func $trap (param i32 i32))) (import "ic0" "msg_reply" (func $reply))
            (memory 1) {" ".join(functions)} (start $start))"""
        )
    )


def rejected_as_production(stage: Stage, canister: bytes, mode: InstallMode | UpgradeMode, wasm: bytes) -> None:
    """The installation fails; both engines take the label that production takes."""
    arguments = encode_arguments(InstallCodeArguments(mode, canister, wasm, b""))
    request_id, _ = stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, "install_code", arguments)
    assert request_id is not None
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    (message_id,) = stage.state.messages.ids()
    label = as_production(stage.state, Label("management_call_rejection", {"message_id": message_id, "code": 5}))
    assert stage.lockstep.take(label)
    stage.lockstep.settle()
    status = stage.state.requests[request_id].status
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.CANISTER_TRAPPED


def log(stage: Stage, canister: bytes) -> list[bytes]:
    """The records, whose numbers begin at 0 and have no gaps."""
    records = list(stage.canister(canister).logs)
    assert [record.index for record in records] == [*range(len(records))]
    return [record.content for record in records]


@pytest.mark.checklist(
    "prod.canister_logging.test_logging_trap_at_install_start",
    "prod.canister_logging.test_logging_trap_at_install_init",
)
@pytest.mark.parametrize(
    ("hook", "expected"),
    [("start", [b"start_1", b"[TRAP]: start_1"]), ("init", [b"start_1", b"init_1", b"[TRAP]: init_1"])],
)
def test_a_canister_that_is_still_empty_has_the_log_of_its_failed_installation(
    hook: str, expected: list[bytes]
) -> None:
    stage = Stage()
    canister = stage.create()
    rejected_as_production(stage, canister, InstallMode(), module(1, hook))
    assert stage.canister(canister).code == Empty()
    assert log(stage, canister) == expected


@pytest.mark.checklist(
    "prod.canister_logging.test_logging_trap_after_upgrade_in_start",
    "prod.canister_logging.test_logging_trap_after_upgrade_in_post_upgrade",
)
@pytest.mark.parametrize(
    ("hook", "failed"),
    [
        ("start", [b"start_2", b"[TRAP]: start_2"]),
        ("post_upgrade", [b"start_2", b"post_upgrade_2", b"[TRAP]: post_upgrade_2"]),
    ],
)
def test_the_old_code_goes_on_after_the_log_of_a_failed_upgrade(hook: str, failed: list[bytes]) -> None:
    stage = Stage()
    canister = stage.installed(module(1))
    assert stage.call(canister, "go", b"") == Replied(b"")
    rejected_as_production(stage, canister, UpgradeMode(), module(2, hook))
    assert stage.call(canister, "go", b"") == Replied(b"")
    before = [b"start_1", b"init_1", b"update_1", b"pre_upgrade_1"]
    assert log(stage, canister) == [*before, *failed, b"update_1"]
