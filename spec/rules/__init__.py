"""The rules. Importing this package registers all of them in `spec.transition.RULES`."""

from spec.rules.ingress import progress, submission
from spec.rules.management import (
    creation,
    deletion,
    installation,
    lifecycle,
    miscellaneous,
    rejection,
    settings,
    status,
    upgrade,
)
from spec.rules.messages import call_context_creation, call_context_end, callback_invocation, execution
from spec.rules.messages import rejection as call_rejection
from spec.rules.spontaneous import time

GROUPS = {
    "Requests": (submission, progress),
    "Calls that do not start": (call_rejection,),
    "Call contexts": (call_context_creation, call_context_end),
    "Message execution": (execution,),
    "Responses": (callback_invocation,),
    "The management canister": (
        creation,
        settings,
        status,
        installation,
        upgrade,
        deletion,
        lifecycle,
        miscellaneous,
        rejection,
    ),
    "Time": (time,),
}
"""The modules with rules, by heading, in the order in which to read them."""
