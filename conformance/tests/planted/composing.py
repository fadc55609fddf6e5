"""Implementations that reject the calls of composite queries in their own way."""

from typing import Any

from attrs import evolve

import spec.reads.composite_query as composite_query
from conformance.protocol.interface import Query, QueryAnswer
from conformance.tests.planted.bugs import BlackBox
from spec.reads.answers import QueryResponse
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Principal
from spec.values.rejects import Reject, RejectCode, RejectReason


class RejectsCallsOfQueries(BlackBox):
    """Some calls of composite queries are rejected with another code."""

    code = RejectCode.SYS_FATAL

    def changes(self, callee: CanisterId, reject: Reject) -> bool:
        """The reject has the other code."""
        raise NotImplementedError

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer_to = composite_query.answer_to

        def changed(evaluation: Any, call: Any) -> Any:
            answer = answer_to(evaluation, call)
            match answer:
                case QueryResponse(Reject() as reject) if self.changes(call.callee, reject):
                    return evolve(answer, response=evolve(reject, code=self.code))
                case _:
                    return answer

        composite_query.answer_to = changed
        try:
            return super().query(query, effective_id)
        finally:
            composite_query.answer_to = answer_to


class CallsTheLatestFirst(BlackBox):
    """Of the open calls of a composite query, the one that was performed last is made next."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        place_of_next_call = composite_query.place_of_next_call
        composite_query.place_of_next_call = lambda evaluation: len(evaluation.open_calls.items) - 1
        try:
            return super().query(query, effective_id)
        finally:
            composite_query.place_of_next_call = place_of_next_call


class CallsTheLatestFirstWithin(BlackBox):
    """It makes the oldest open call of the query next, and in the queries that it calls the latest."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        place_of_next_call = composite_query.place_of_next_call
        composite_query.place_of_next_call = lambda evaluation: (
            len(evaluation.open_calls.items) - 1 if evaluation.depth else 0
        )
        try:
            return super().query(query, effective_id)
        finally:
            composite_query.place_of_next_call = place_of_next_call


class AnswersInnerCallsAlike(BlackBox):
    """All calls of a query that a composite query calls are answered as the first one that is made."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer_to = composite_query.answer_to
        answers: list[Any] = []

        def first_answer(evaluation: Any, call: Any) -> Any:
            answer = answer_to(evaluation, call)
            if evaluation.depth:
                answers.append(answer)
            return answers[0] if evaluation.depth else answer

        composite_query.answer_to = first_answer
        try:
            return super().query(query, effective_id)
        finally:
            composite_query.answer_to = answer_to


class AnswersAllCallsAlike(BlackBox):
    """All calls of a composite query are answered as the first one that is made."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer_to = composite_query.answer_to
        answers: list[Any] = []

        def first_answer(evaluation: Any, call: Any) -> Any:
            answers.append(answer_to(evaluation, call))
            return answers[0]

        composite_query.answer_to = first_answer
        try:
            return super().query(query, effective_id)
        finally:
            composite_query.answer_to = answer_to


class RejectsCallsToNobodyAsFatal(RejectsCallsOfQueries):
    """Those to canisters that do not exist: the text names no code."""

    def changes(self, callee: CanisterId, reject: Reject) -> bool:
        return reject.reason is RejectReason.CANISTER_NOT_FOUND


class RejectsManagementCallsAsCanisters(RejectsCallsOfQueries):
    """Those to the management canister: the text names no code."""

    code = RejectCode.CANISTER_REJECT

    def changes(self, callee: CanisterId, reject: Reject) -> bool:
        return callee == MANAGEMENT_CANISTER


class RejectsCallsToStoppedAsFatal(RejectsCallsOfQueries):
    """Those to canisters that do not run: the text names CANISTER_ERROR."""

    def changes(self, callee: CanisterId, reject: Reject) -> bool:
        return reject.reason is RejectReason.CANISTER_STOPPED
