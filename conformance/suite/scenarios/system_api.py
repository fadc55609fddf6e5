"""The System API, function by function: the message, and where functions may be used."""

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, Bytes
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    filled,
    ignore,
    length,
    program,
    reject,
    reply,
)
from conformance.judging.patterns import fails, rejects, rejects_with, replies, replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.one_call import shows, traps, u32
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values.identifiers import Text
from spec.values.rejects import RejectCode, RejectReason

# The message

shows(
    __name__,
    "whole_argument",
    "A canister reads its argument to the last byte",
    ("api.msg-arg-data-size", "api.msg-arg-data-copy"),
    bytes_of_u32(length(ic0.msg_arg_data())),
    replies_where("of 4 bytes", lambda data: len(data) == 4),
)
shows(
    __name__,
    "reply_in_parts",
    "A reply is what was appended, in order",
    ("api.msg-reply-data-append", "api.msg-reply", "prod.hypervisor.reply_data_append_really_appends"),
    b"ghi",
    b"abcdefghi",
    ic0.msg_reply_data_append(b"abc"),
    ic0.msg_reply_data_append(b"def"),
)
shows(
    __name__,
    "caller_bytes",
    "The caller is the principal of the sender",
    ("api.msg-caller-size", "api.msg-caller-copy"),
    ic0.msg_caller(),
    ALICE,
)
shows(
    __name__,
    "no_deadline",
    "A user's call has no deadline",
    (
        "prod.hypervisor.ic0_msg_deadline_while_executing_ingress_message",
        "prod.response.test_ic0_msg_deadline_best_effort_responses_feature_flag_enabled",
        "api.msg-deadline",
        "def.deadline-of-context",
    ),
    bytes_of_u64(ic0.msg_deadline()),
    bytes(8),
)
shows(
    __name__,
    "no_caller_info",
    "A user who signs for himself comes without further information",
    ("api.msg-caller-info-data-size", "api.msg-caller-info-signer-size"),
    concat(ic0.msg_caller_info_data(), ic0.msg_caller_info_signer()),
    b"",
)
shows(
    __name__,
    "replicated",
    "An update call runs in replicated execution",
    ("api.in-replicated-execution",),
    bytes_of_u32(ic0.in_replicated_execution()),
    u32(1),
)
traps(
    __name__,
    "empty_slice_beyond",
    "Nothing can be read behind the argument",
    ("api.msg-arg-data-copy",),
    ignore(ic0.msg_arg_data_copy(1_000_000, 1)),
)
traps(
    __name__,
    "append_after_reply",
    "Appending to a reply that was given traps",
    ("api.msg-reply-data-append",),
    ic0.msg_reply(),
    ic0.msg_reply_data_append(b"x"),
)
traps(
    __name__,
    "reply_after_reject",
    "Replying after a reject traps",
    ("api.msg-reply", "api.msg-reject"),
    ic0.msg_reject(b"no"),
)
traps(__name__, "bad_reject_text", "The text of a reject is UTF-8", ("api.msg-reject",), ic0.msg_reject(b"\xff\xfe"))
traps(
    __name__,
    "large_reply",
    "A reply has at most two MiB",
    ("error.reply-too-large", "unspec.const.message-size-limits"),
    ic0.msg_reply_data_append(filled(1, 2 * 2**20)),
    ic0.msg_reply_data_append(b"x"),
    needs=Needs(exact_costs=True),
)


@scenario("A reply of exactly two MiB is given", covers=("error.reply-too-large", "api.msg-reply-data-append"))
def largest_reply(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(reply(filled(7, 2 * 2**20))))
    # Then
    stage.expect(answer, replies_with(b"\x07" * 2**21))


@scenario(
    "A rejecting canister drops what it appended to its reply", covers=("api.msg-reject", "api.msg-reply-data-append")
)
def reject_drops_reply(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(ic0.msg_reply_data_append(b"dropped"), reject(b"")))
    # Then
    stage.expect(answer, rejects_with(""))


# Where functions may be used


def _only_elsewhere(name: Text, title: Text, told: Bytes | Action, *covers: Text) -> None:
    """A function traps in an update method."""
    action = told if isinstance(told, Action) else ignore(told)
    traps(__name__, name, title, (*covers, "api-general.contexts", "error.wrong-context"), action)


_only_elsewhere(
    "reject_code_in_update",
    "An update method has no reject code",
    bytes_of_u32(ic0.msg_reject_code()),
    "api.msg-reject-code",
)
_only_elsewhere(
    "reject_text_in_update", "An update method has no reject text", ic0.msg_reject_msg(), "api.msg-reject-msg-size"
)
_only_elsewhere(
    "refund_in_update", "An update method has no refund", ic0.msg_cycles_refunded128(), "api.msg-cycles-refunded128"
)
_only_elsewhere(
    "method_name_in_update",
    "Only inspect_message is told the name of the method",
    ic0.msg_method_name(),
    "api.msg-method-name-size",
)
_only_elsewhere("accept_in_update", "Only inspect_message accepts messages", ic0.accept_message(), "api.accept-message")
_only_elsewhere(
    "certificate_in_update",
    "There is no data certificate in an update call",
    ic0.data_certificate(),
    "api.data-certificate-size",
)


def _not_in_query(name: Text, title: Text, action: Action, *covers: Text) -> None:
    """A function traps in a query."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.query(canister, program(action, reply()))
        # Then
        stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))

    script.__name__ = name
    scenario(title, covers=(*covers, "api-general.contexts", "error.wrong-context"))(script)


_not_in_query(
    "calls_in_query",
    "A query makes no calls",
    ic0.call_new(b"", b"raw_rand", b"", b"", b""),
    "api.call-new",
    "entry.query",
)
_not_in_query(
    "certified_in_query", "A query sets no certified data", ic0.certified_data_set(b"x"), "api.certified-data-set"
)
_not_in_query("burn_in_query", "A query burns no cycles", ignore(ic0.cycles_burn128(1)), "api.cycles-burn128")
_not_in_query(
    "accept_in_query", "A query accepts no cycles", ignore(ic0.msg_cycles_accept128(1)), "api.msg-cycles-accept128"
)
_not_in_query("timer_in_query", "A query sets no timer", ignore(ic0.global_timer_set(1)), "api.global-timer-set")


def _in_init(name: Text, title: Text, action: Action, works: bool, *covers: Text) -> None:
    """A function in canister_init."""

    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # When
        answer = stage.install(canister, SCRIPTED, program(action))
        # Then
        stage.expect(answer, replies() if works else fails(RejectReason.CANISTER_TRAPPED))
        stage.balance(canister)

    script.__name__ = name
    scenario(title, covers=(*covers, "entry.init", "entry.mode-matrix"))(script)


SCRIPTED = load("scripted")
_in_init("reply_in_init", "The function canister_init does not reply", reply(), False, "api.msg-reply")
_in_init("reject_in_init", "The function canister_init does not reject", reject(b"no"), False, "api.msg-reject")
_in_init(
    "cycles_in_init",
    "The function canister_init is sent no cycles",
    ignore(ic0.msg_cycles_available128()),
    False,
    "api.msg-cycles-available128",
)
_in_init(
    "call_in_init",
    "The function canister_init makes no calls",
    call(b"", "raw_rand", b"DIDL\0\0"),
    False,
    "api.call-new",
)
_in_init(
    "certify_in_init",
    "The function canister_init sets certified data",
    ic0.certified_data_set(b"x"),
    True,
    "api.certified-data-set",
)
_in_init(
    "burn_in_init",
    "The function canister_init burns cycles",
    ignore(ic0.cycles_burn128(1_000)),
    True,
    "api.cycles-burn128",
)
