"""States in which a function is about to run, and the step in which it does."""

from attrs import evolve

from spec.rules.tests.worlds import (
    CALLBACK,
    FIXED,
    A,
    a_context,
    canister,
    code,
    contexts,
    execution,
    fire,
    module,
    world,
)
from spec.state.message import CallbackInvocation
from spec.values.rejects import Reply

REPLY = Reply(b"reply")
USED = FIXED + 1_000
"""The price of an execution of a thousand instructions."""
RESPONDING = CallbackInvocation(CALLBACK, REPLY, 0)
FEE_OF_REPLY = 5_000
"""For transmitting the five bytes of the reply: a thousand cycles each."""


def running(gives, entry_point=None, context=None, others=(), function=None, **changes):
    """A state in which A is about to run `go`, or the entry point, in context 0."""
    executed = canister(A, code(A, module(gives=gives)), **changes)
    return world(
        (A, executed),
        messages=(*others, execution(A, entry_point, **(function or {}))),
        call_contexts=contexts(a_context(A) if context is None else context),
    )


def execute(state):
    """The step in which the youngest message is executed."""
    return fire(state, "message_execution", message_id=state.messages.ids()[-1])


def reason_of_failure(state):
    """Why the execution failed; nothing but the charge, the log and the context changed then."""
    fired = execute(state)
    (shown,) = fired.outputs
    after = fired.state.canisters[A]
    restored = evolve(after, balance=state.canisters[A].balance, logs=state.canisters[A].logs)
    assert restored == state.canisters[A]
    context, context_after = state.call_contexts[0], fired.state.call_contexts[0]
    assert context_after == evolve(
        context, last_failure=shown.failure, instructions_used=context.instructions_used + shown.instructions
    )
    assert fired.state.messages.ids() == state.messages.ids()[:-1]
    return shown.failure.reason
