"""
A proxy between the judge and a right implementation, which corrupts what goes through it in one way.

`python proxy.py SOCKET WAY` speaks the protocol with the judge on its standard input and output, and hands requests on
to the implementation at the other end of a Unix socket. `python proxy.py` prints the ways. It uses the standard library
alone, so that it starts fast.
"""

import json
import sys
from dataclasses import asdict

import harmless  # noqa: F401  (registers its ways, as the others do)
import misbehaving  # noqa: F401
import unreadable  # noqa: F401
import untrue  # noqa: F401
from ways import WAYS, Proxy


def corrupt(path: str, name: str) -> None:
    """Hands on and corrupts, anew after each `reset`."""
    proxy, chosen, met = Proxy(path), WAYS[name], 0
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request["verb"] == "reset":
            met = 0
        met += chosen.on in ("*", request["verb"])
        if chosen.on in ("*", request["verb"]) and chosen.nth in (0, met):
            chosen.act(proxy, request)
        else:
            proxy.write(proxy.ask(request))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(json.dumps([{**asdict(each), "act": None} for each in WAYS.values()]))
    else:
        corrupt(*sys.argv[1:])
