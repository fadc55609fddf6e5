"""The rules. Importing this package registers all of them in `spec.transition.RULES`."""

from spec.rules.ingress import progress, submission
from spec.rules.management import (
    bitcoin,
    chunk_store,
    creation,
    deletion,
    information,
    installation,
    lifecycle,
    miscellaneous,
    outcalls,
    outside,
    rejection,
    settings,
    snapshot_contents,
    snapshots,
    status,
    threshold_keys,
    upgrade,
)
from spec.rules.messages import (
    call_context_creation,
    call_context_end,
    callback_invocation,
    expiry,
    low_memory_hook,
    message_execution,
)
from spec.rules.messages import rejection as call_rejection
from spec.rules.spontaneous import renaming, resources, time, trimming

GROUPS = {
    "Requests": (submission, progress),
    "Calls that do not start": (call_rejection,),
    "Call contexts": (call_context_creation, low_memory_hook, call_context_end),
    "Message execution": (message_execution,),
    "Responses": (callback_invocation, expiry),
    "The management canister": (
        creation,
        settings,
        status,
        installation,
        upgrade,
        deletion,
        lifecycle,
        miscellaneous,
        chunk_store,
        snapshots,
        snapshot_contents,
        information,
        rejection,
    ),
    "The outside world": (threshold_keys, outcalls, bitcoin, outside),
    "Time and resources": (time, resources, trimming, renaming),
}
"""The modules with rules, by heading, in the order in which to read them."""
