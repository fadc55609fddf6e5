"""Signatures that clients want checked: users' own and those of canisters."""

from typing import Final

from reference_impl.authentication.requests import made
from reference_impl.server.pocket_ic.fields import Json, blob_of, fields_of
from reference_impl.server.pocket_ic.server import OK, Outcome

NOT_ACCEPTABLE: Final = 406


def verified(body: Json) -> Outcome:
    """Whether the key made the signature on the message, as far as the root key says so for canisters' keys."""
    fields = fields_of(body)
    message, signature = blob_of(fields, "msg"), blob_of(fields, "sig")
    key, root_key = blob_of(fields, "pubkey"), blob_of(fields, "root_pubkey")
    if made(key, signature, message, root_key):
        return Outcome(OK, {"Ok": None})
    return Outcome(NOT_ACCEPTABLE, {"Err": "The signature is not one that the key made on the message."})
