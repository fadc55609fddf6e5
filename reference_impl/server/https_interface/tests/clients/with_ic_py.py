"""
Takes the HTTPS interface through its paces with ic-py, and prints what came of it as JSON.

usage: with_ic_py.py URL MODULE
"""

import json
import sys
from functools import partial
from pathlib import Path

from ic import client
from ic.agent import Agent
from ic.candid import Types, encode
from ic.identity import Identity
from ic.principal import Principal

MANAGEMENT = "aaaaa-aa"
PATIENCE = 60
CANISTER = Types.Record({"canister_id": Types.Principal})
MODE = Types.Variant({"install": Types.Null, "reinstall": Types.Null, "upgrade": Types.Null})
INSTALL = Types.Record(
    {"mode": MODE, "canister_id": Types.Principal, "wasm_module": Types.Vec(Types.Nat8), "arg": Types.Vec(Types.Nat8)}
)
CREATE = Types.Record({"amount": Types.Opt(Types.Nat)})
NOTHING = encode([])


def failure(act):
    """What an act raises, by the name of its class."""
    try:
        act()
    except BaseException as problem:
        return type(problem).__name__
    return None


def main(url, module):
    """Goes through all of it."""
    # The client gives up after five seconds, which a busy machine may take to compile a module.
    client.httpx.post = partial(client.httpx.post, timeout=PATIENCE)
    agent = Agent(Identity(privkey="07" * 32), client.Client(url=url))
    outcome = {}

    def update(canister_id, method, argument=NOTHING, about=None, returned=None):
        return agent.update_raw(canister_id, method, argument, returned, about, timeout=PATIENCE)

    argument = encode([{"type": CREATE, "value": {"amount": [10**14]}}])
    created = update(MANAGEMENT, "provisional_create_canister_with_cycles", argument, MANAGEMENT, CANISTER)
    canister = created[0]["value"]["canister_id"]
    canister_id = canister.to_str()
    install = {"mode": {"install": None}, "canister_id": canister_id, "wasm_module": list(module), "arg": []}
    update(MANAGEMENT, "install_code", encode([{"type": INSTALL, "value": install}]), canister_id)
    outcome["increased"] = update(canister_id, "inc")[0]["value"]
    outcome["read"] = agent.query_raw(canister_id, "read", NOTHING)[0]["value"]
    outcome["update_refused"] = failure(lambda: update(canister_id, "missing"))
    path = [b"canister", Principal.from_str(canister_id).bytes, b"module_hash"]
    outcome["certificate"] = "tree" in agent.read_state_raw(canister_id, [path])
    print(json.dumps(outcome))


main(sys.argv[1], Path(sys.argv[2]).read_bytes())
