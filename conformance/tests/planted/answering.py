"""
Implementations that answer queries and reads otherwise, keep other logs and give other certificates.

Each is the specification with one thing changed, judged as a black box: right ones, and partners that go beyond.
"""

from collections.abc import Sequence

from attrs import evolve
from py_arkworks_bls12381 import Scalar

from conformance.protocol.interface import (
    Path,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    Values,
)
from conformance.served.certificates import certificate_of, public_key, signed
from conformance.served.specification import SUBNET_ID
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.certification.cbor import decode_item
from spec.certification.certificate import Delegation, decode_certificate, encode_certificate
from spec.certification.hash_tree import Fork, Labeled, Leaf, hash_tree
from spec.commutation import concerned
from spec.reads.query import certified_data_tree
from spec.reads.state_tree import natural, shards, tagged
from spec.rules.messages.effects import with_logs
from spec.state.canister import LogRecord
from spec.state.label import Label
from spec.state.network import CanisterRange
from spec.state.request import Rejected as RejectedStatus
from spec.state.state import State
from spec.transition import Executed, Step
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, RequestId
from spec.values.quantities import ByteCount, Count
from spec.values.rejects import RejectReason

SECRET_OF_SUBNET = Scalar.from_be_bytes_mod_order(b"the secret of a subnet".rjust(32))

# Queries and reads


class RejectsManagementQueries(BlackBox):
    """A query that the management canister does not answer is rejected instead of refused."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if query.canister_id == MANAGEMENT_CANISTER and isinstance(answer, Refused):
            return Rejected(SeenReject(4, answer.reason, "not for you"))
        return answer


class AnswersEverybody(BlackBox):
    """The management canister answers the queries of anybody."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if query.canister_id == MANAGEMENT_CANISTER and isinstance(answer, Refused):
            return Replied(management.encode_result("fetch_canister_logs", List()))
        return answer


class ListsCanistersAlone(BlackBox):
    """Where the canisters of the subnet are listed, each is a range of its own, the last one first."""

    def listed(self, ids: Sequence[CanisterId]) -> Sequence[management.CanisterIdRange]:
        """The ranges that are listed."""
        return [management.CanisterIdRange(each, each) for each in reversed(ids)]

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        seen = super().query(query, effective_id)
        if query.method_name != "list_canisters" or not isinstance(seen, Replied):
            return seen
        ids = sorted(canister_id for canister_id, _ in self.current.canisters.items())
        return Replied(management.encode_result("list_canisters", List(tuple(self.listed(ids)))))


class ListsSomeCanisters(ListsCanistersAlone):
    """One canister is not listed."""

    def listed(self, ids: Sequence[CanisterId]) -> Sequence[management.CanisterIdRange]:
        return super().listed(ids)[1:]


class RefusesQueriesToNobody(BlackBox):
    """A query to a canister that does not exist, or has no code, is refused."""

    reasons: frozenset[RejectReason | None] = frozenset(
        {RejectReason.CANISTER_NOT_FOUND, RejectReason.CANISTER_HAS_NO_CODE}
    )

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if isinstance(answer, Rejected) and answer.reject.reason in self.reasons:
            return Refused(3, answer.reject.reason)
        return answer


class RefusesQueriesToStopped(RefusesQueriesToNobody):
    """A query to a stopped canister is refused."""

    reasons = frozenset({RejectReason.CANISTER_STOPPED, RejectReason.CANISTER_STOPPING})


class TellsOtherValues(BlackBox):
    """Something else stands at paths that are read."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        if isinstance(read, Refused):
            return read
        return Values(tuple(self.value(path, value) for path, value in zip(paths, read.values, strict=True)))

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        """What stands at a path."""
        raise NotImplementedError


class TellsErrorCodesAndTheNetwork(TellsOtherValues):
    """It has an error code for every reject, and tells what the subnet is."""

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        match path:
            case (b"request_status", request_id, b"error_code" | b"reject_message"):
                known = self.current.requests
                status = known[RequestId(request_id)].status if RequestId(request_id) in known else None
                if not isinstance(status, RejectedStatus):
                    return value
                own = status.reject.reason is RejectReason.EXPLICIT
                return value if own and path[-1] == b"reject_message" else b"IC0503"
            case (b"subnet", _, b"type"):
                return b"application"
            case _:
                return value


class HidesRejectMessages(TellsOtherValues):
    """It tells no text of a reject."""

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        return None if path and path[-1] == b"reject_message" else value


class ReadsControllersBackwards(TellsOtherValues):
    """Where the controllers of a canister are read, they stand in the opposite order."""

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        is_list = path[:1] == (b"canister",) and path[2:] == (b"controllers",)
        return self.written(value) if value and is_list else value

    def written(self, controllers: bytes) -> bytes:
        """How a list of controllers stands there."""
        return tagged(decode_item(controllers)[::-1])


class ReadsOtherItems(ReadsControllersBackwards):
    """The lists are in another form of CBOR: that of an array that does not tell its length beforehand."""

    def written(self, controllers: bytes) -> bytes:
        items = b"".join(bytes([0x58, len(item)]) + item for item in decode_item(controllers))
        return b"\xd9\xd9\xf7\x9f" + items + b"\xff"


class ReadsOneControllerTwice(ReadsControllersBackwards):
    """The first controller stands there twice."""

    def written(self, controllers: bytes) -> bytes:
        items = decode_item(controllers)
        return tagged([*items[:1], *items])


class ReadsControllersAlone(ReadsControllersBackwards):
    """The list does not say of itself to be CBOR."""

    def written(self, controllers: bytes) -> bytes:
        return tagged(decode_item(controllers))[3:]


class ReadsNoText(TellsOtherValues):
    """The text of a reject is none."""

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        return b"\xff" if value and path[-1] == b"reject_message" else value


class LetsReadEverything(BlackBox):
    """Nobody is refused a reading."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        return Values((None,) * len(paths)) if isinstance(read, Refused) else read


# Logs


class Records(Chooses):
    """The system writes to the log of a canister whose code fails."""

    record: bytes | None = b"[TRAP]: something else"

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "message_execution" or all(each.failure is None for each in executed(fired)):
            return None
        return with_choices(label, system_records=(self.record,))


class RecordsNothingOfFailures(Chooses):
    """What a failed execution printed is not kept."""

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "message_execution" or all(each.failure is None for each in executed(fired)):
            return None
        return with_choices(label, keeps_logs=False)


def executed(fired: Step) -> list[Executed]:
    """The executions of a step."""
    return [output for output in fired.outputs if isinstance(output, Executed)]


class DropsLogsOfInstallations(Chooses):
    """What hooks of a failed installation wrote is not kept."""

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "management_call_rejection":
            return None
        return with_choices(label, keeps_logs=False, system_records=())


class DatesLogsOfInstallationsLater(BlackBox):
    """What hooks of a failed installation wrote has another time."""

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "management_call_rejection":
            return fired.state
        later = [
            (
                canister_id,
                evolve(canister, logs=List(tuple(evolve(one, timestamp=one.timestamp + 1) for one in canister.logs))),
            )
            for canister_id, canister in fired.state.canisters.items()
        ]
        return evolve(fired.state, canisters=Map.of(later))


class ChangesLogs(BlackBox):
    """It does something to the log of a canister after each of its executions."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        """The log that is kept."""
        raise NotImplementedError

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for output in executed(fired):
            if output.failure is None and output.canister_id in self.current.canisters:
                before, canister = self.current.canisters[output.canister_id], state.canisters[output.canister_id]
                changed = evolve(canister, logs=self.log(before.logs, canister.logs))
                state = evolve(state, canisters=state.canisters.set(output.canister_id, changed))
        return state


class PrintsNothing(ChangesLogs):
    """What code prints is lost."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        return before


class PrintsSomethingElse(ChangesLogs):
    """What code prints is changed."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        return List(tuple(evolve(record, content=record.content.swapcase()) for record in after))


class RecordsSuccesses(BlackBox):
    """The system writes to the log of a canister whose code did not fail."""

    def taken(self, label: Label, fired: Step) -> State:
        canisters = fired.state.canisters
        for output in executed(fired):
            if output.failure is None and output.canister_id in canisters:
                written = with_logs(canisters[output.canister_id], (b"something else",))
                canisters = canisters.set(output.canister_id, written)
        return evolve(fired.state, canisters=canisters)


class RecordsRejectedCalls(BlackBox):
    """The system writes to the log of a canister about which a management call is rejected, though no code ran."""

    def taken(self, label: Label, fired: Step) -> State:
        canisters = fired.state.canisters
        if label.rule == "management_call_rejection":
            for canister_id in concerned(self.current, label) & set(canisters.keys()):
                canisters = canisters.set(canister_id, with_logs(canisters[canister_id], (b"somebody tried",)))
        return evolve(fired.state, canisters=canisters)


class CutsTraps(BlackBox):
    """Of the last text that a failed execution wrote, the first bytes are kept."""

    def taken(self, label: Label, fired: Step) -> State:
        canisters = fired.state.canisters
        for output in executed(fired):
            before, after = self.current.canisters[output.canister_id], canisters[output.canister_id]
            if output.failure is not None and after.next_log_index > before.next_log_index:
                *logs, latest = after.logs
                cut = List((*logs, evolve(latest, content=latest.content[:2])))
                canisters = canisters.set(output.canister_id, evolve(after, logs=cut))
        return evolve(fired.state, canisters=canisters)


class NumbersLogsFromAThousand(BlackBox):
    """The records of logs are numbered from one thousand."""

    def first(self) -> Count:
        """The number of the first record."""
        return 1_000

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        seen = super().query(query, effective_id)
        if query.method_name != "fetch_canister_logs" or not isinstance(seen, Replied):
            return seen
        first, records = self.first(), management.decode_result(query.method_name, seen.data)
        numbered = tuple(evolve(each, idx=each.idx + first) for each in records)
        return Replied(management.encode_result(query.method_name, List(numbered)))


class NumbersLogsAnew(NumbersLogsFromAThousand):
    """They are numbered otherwise each time that somebody asks."""

    number: Count = 0

    def first(self) -> Count:
        self.number += 1
        return self.number


class KeepsBeginnings(BlackBox):
    """Of what is written to a log at once, the first bytes are kept."""

    largest: ByteCount = 5

    def taken(self, label: Label, fired: Step) -> State:
        cut = [
            (each, evolve(canister, logs=canister.logs.map(self.beginning)))
            for each, canister in fired.state.canisters.items()
        ]
        return evolve(fired.state, canisters=Map.of(cut))

    def beginning(self, record: LogRecord) -> LogRecord:
        """What is kept of a record."""
        return evolve(record, content=record.content[: self.largest])


class KeepsLongerBeginnings(KeepsBeginnings):
    """A record has at most 40 bytes, so that no log of the suite is too large."""

    largest = 40


class DropsTheEnds(ChangesLogs):
    """Of what code prints at once, the last byte is lost."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        kept = after.items[: len(before)]
        return List((*kept, *(evolve(each, content=each.content[:-1]) for each in after.items[len(kept) :])))


class DatesLogsLater(ChangesLogs):
    """Records of logs have another time."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        kept = after.items[: len(before)]
        return List((*kept, *(evolve(each, timestamp=each.timestamp + 1) for each in after.items[len(kept) :])))


# Certificates


class GivesOldCertificates(BlackBox):
    """The certificates are of ten seconds ago."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return certificate_of(evolve(self.current, system_time=self.current.system_time - 10**10), canister_id)


class GivesCertificatesOfTheFuture(BlackBox):
    """The certificates are of a time that has not come."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return certificate_of(evolve(self.current, system_time=self.current.system_time + 1), canister_id)


class CertifiesMore(BlackBox):
    """The certificates reveal more than they must."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        made = certificate_of(self.current, canister_id)
        if made is None:
            return None
        return encode_certificate(signed(Fork(Labeled(b"a", Leaf(b"more")), decode_certificate(made).tree)))


class CertifiesSomethingElse(BlackBox):
    """The certificates are of other data."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        state = self.current
        if canister_id not in state.canisters:
            return None
        other = evolve(state.canisters[canister_id], certified_data=b"something else")
        return certificate_of(evolve(state, canisters=state.canisters.set(canister_id, other)), canister_id)


class SignsNothing(BlackBox):
    """The signatures of the certificates are of something else."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        made = certificate_of(self.current, canister_id)
        if made is None:
            return None
        certificate = decode_certificate(made)
        return encode_certificate(evolve(certificate, signature=certificate.signature[::-1]))


class GivesDelegatedCertificates(BlackBox):
    """The certificates are signed with a key of the subnet, to which the root key delegates."""

    def ranges(self, canister_id: CanisterId) -> List[CanisterRange]:
        """The ids of canisters for which that key may sign."""
        return List.of(CanisterRange(CanisterId(Principal(b"")), CanisterId(Principal(b"\xff" * 29))))

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        if certificate_of(self.current, canister_id) is None:
            return None
        told = {
            b"subnet": {SUBNET_ID: {b"public_key": public_key(SECRET_OF_SUBNET)}},
            b"canister_ranges": {SUBNET_ID: shards(self.ranges(canister_id))},
            b"time": natural(self.current.system_time),
        }
        delegation = Delegation(SUBNET_ID, signed(hash_tree(told)))
        tree = certified_data_tree(self.current, canister_id)
        return encode_certificate(signed(tree, SECRET_OF_SUBNET, delegation))


class CertifiesForOthers(GivesDelegatedCertificates):
    """The key may sign for other canisters alone."""

    def ranges(self, canister_id: CanisterId) -> List[CanisterRange]:
        other = CanisterId(Principal(canister_id + b"\1"))
        return List.of(CanisterRange(other, other))


class CertifiesOutOfOrder(BlackBox):
    """In the trees of the certificates the labels do not increase."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        content = certificate_of(self.current, canister_id)
        tree = None if content is None else decode_certificate(content).tree
        return encode_certificate(signed(Fork(tree.right, tree.left))) if isinstance(tree, Fork) else content


class GivesNoCertificates(BlackBox):
    """No query sees a certificate."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return None
