"""
Which canister a request for a page is for: its host says it, or the query of its address, or that of the page it is on.

Hosts are `<canister>.<domain>`, and `<canister>.raw.<domain>` for pages that need no certificate; or any host, with
`?canisterId=<canister>` in the address. Source: http-gateway, canister id resolution, which leaves it open; production.
"""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from spec.values.identifiers import CanisterId, Text, principal_from_text

PARAMETER: Final = "canisterId"
RAW: Final = "raw"
LOCAL: Final = ("localhost",)
"""The domains of servers for development; browsers find names below them on this machine."""


@frozen
class PageTarget:
    """Whose page it is."""

    canister_id: CanisterId
    is_raw: bool
    """The page is passed on as it comes."""


class NoCanister(Exception):
    """What stands in the place of a canister id is none. The message is one line."""


def page_target(host: Text, query: Text, referer: Text = "", domains: tuple[Text, ...] = LOCAL) -> PageTarget | None:
    """The canister that is named; None if none is. Raises `NoCanister`."""
    label, is_raw = _in_host(host.lower(), domains)
    if label is not None:
        return PageTarget(_canister(label), is_raw)
    for asked in (query, _query_of(referer)):
        named = parse_qs(asked).get(PARAMETER)
        if named:
            return PageTarget(_canister(named[0]), is_raw)
    return None


def _in_host(host: Text, domains: tuple[Text, ...]) -> tuple[Text | None, bool]:
    """The name before the domain, if there is one, and whether the host is one for raw pages."""
    for domain in domains:
        matched = re.fullmatch(rf"(?:([^.:]+)\.)?(?:(raw)\.)?{re.escape(domain.lower())}(?::[0-9]+)?", host)
        if matched is not None:
            if matched[1] == RAW and matched[2] is None:
                return None, True
            return matched[1], matched[2] is not None
    return None, False


def _query_of(address: Text) -> Text:
    try:
        return urlsplit(address).query
    except ValueError:
        return ""


def _canister(text: Text) -> CanisterId:
    try:
        return CanisterId(principal_from_text(text.lower()))
    except ValueError:
        raise NoCanister(f"{text!r} is not the id of a canister.") from None
