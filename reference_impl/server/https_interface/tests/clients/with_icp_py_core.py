"""
Takes the HTTPS interface through its paces with icp-py-core, and prints what came of it as JSON.

usage: with_icp_py_core.py URL MODULE CHAIN-IN-JSON SEED-OF-SESSION-KEY
"""

import json
import sys
from pathlib import Path

import cbor2
from icp_agent.client import Client
from icp_candid.candid import Types, decode, encode
from icp_certificate import certificate as certificates
from icp_core import Agent
from icp_identity import DelegateIdentity, Identity
from icp_principal import Principal

MANAGEMENT = "aaaaa-aa"
ANYWHERE = "rwlgt-iiaaa-aaaaa-aaaaa-cai"
"""The effective id says which subnet creates a canister. Of a subnet with a delegation it must be one of its own."""
CANISTER = Types.Record({"canister_id": Types.Principal})
PERSISTENCE = Types.Variant({"keep": Types.Null, "replace": Types.Null})
UPGRADE = Types.Opt(Types.Record({"wasm_memory_persistence": Types.Opt(PERSISTENCE)}))
MODE = Types.Variant({"install": Types.Null, "reinstall": Types.Null, "upgrade": UPGRADE})
BLOB = Types.Vec(Types.Nat8)
SNAPSHOT = Types.Record({"id": BLOB})
LOAD = Types.Record({"canister_id": Types.Principal, "snapshot_id": BLOB})
LOG = Types.Record({"canister_log_records": Types.Vec(Types.Record({"content": BLOB}))})
INSTALL = Types.Record({"mode": MODE, "canister_id": Types.Principal, "wasm_module": BLOB, "arg": BLOB})
CREATE = Types.Record({"amount": Types.Opt(Types.Nat)})


def number(reply):
    """The natural number that a canister replied."""
    return (reply if isinstance(reply, list) else decode(reply))[0]["value"]


def failure(act):
    """What an act raises, by the name of its class."""
    try:
        act()
    except Exception as problem:
        return type(problem).__name__
    return None


def main(url, module, chain, seed):
    """Goes through all of it."""
    client = Client(url=url)
    root_key = bytes(cbor2.loads(client.status())["root_key"])
    # The client offers no other way to believe another root key than its own.
    certificates.IC_ROOT_KEY = root_key
    agent = Agent(Identity(privkey="07" * 32), client, root_key=root_key, verify_query_signatures=True)
    outcome = {}

    create = "provisional_create_canister_with_cycles"
    amount = encode([{"type": CREATE, "value": {"amount": [10**14]}}])
    created = agent.update(MANAGEMENT, create, amount, return_type=CANISTER, effective_canister_id=ANYWHERE)
    canister = created[0]["value"]["canister_id"]
    canister_id = canister.to_str()
    about = {"effective_canister_id": canister_id}
    install = {
        "mode": {"install": None},
        "canister_id": Principal.from_str(canister_id),
        "wasm_module": list(module),
        "arg": [],
    }
    agent.update(MANAGEMENT, "install_code", encode([{"type": INSTALL, "value": install}]), **about)
    outcome["increased"] = number(agent.update(canister_id, "inc"))
    outcome["read"] = number(agent.query(canister_id, "read"))
    outcome["query_refused"] = failure(lambda: agent.query(canister_id, "missing", verify_query_signatures=False))
    outcome["update_refused"] = failure(lambda: agent.update(canister_id, "missing"))

    keep = {**install, "mode": {"upgrade": [{"wasm_memory_persistence": [{"keep": None}]}]}}
    agent.update(MANAGEMENT, "install_code", encode([{"type": INSTALL, "value": keep}]), **about)
    outcome["read_after_upgrade"] = number(agent.query(canister_id, "read"))

    named = encode([{"type": CANISTER, "value": {"canister_id": canister_id}}])
    taken = agent.update(MANAGEMENT, "take_canister_snapshot", named, return_type=SNAPSHOT, **about)[0]["value"]
    agent.update(canister_id, "inc")
    load = {"canister_id": canister_id, "snapshot_id": taken["id"]}
    agent.update(MANAGEMENT, "load_canister_snapshot", encode([{"type": LOAD, "value": load}]), **about)
    outcome["read_after_loading"] = number(agent.query(canister_id, "read"))
    misled = encode([{"type": Types.Text, "value": "a text"}])
    outcome["trapped"] = failure(lambda: agent.update(canister_id, "set", misled))
    log = agent.query(MANAGEMENT, "fetch_canister_logs", named, return_type=LOG, **about)[0]["value"]
    outcome["logged"] = [bytes(one["content"]).decode().split(":")[0] for one in log["canister_log_records"]]

    told = json.loads(chain)
    for one in told["delegations"]:
        # Reason: agents in JavaScript write the number in hexadecimal digits alone, and this client decimal ones so.
        one["delegation"]["expiration"] = "0x" + one["delegation"]["expiration"]
    delegated = DelegateIdentity(Identity(privkey=f"{int(seed):02x}" * 32), told)
    session = Agent(delegated, client, root_key=root_key, verify_query_signatures=True)
    outcome["user"] = delegated.sender().to_str()
    outcome["increased_by_session"] = number(session.update(canister_id, "inc"))

    path = [b"canister", Principal.from_str(canister_id).bytes, b"module_hash"]
    outcome["module_hash"] = bytes(agent.read_state_raw(canister_id, [path]).lookup(path)).hex()
    certificates.IC_ROOT_KEY = root_key[:-1] + bytes([root_key[-1] ^ 1])
    outcome["wrong_root_key"] = failure(lambda: agent.update(canister_id, "inc"))
    print(json.dumps(outcome))


main(sys.argv[1], Path(sys.argv[2]).read_bytes(), *sys.argv[3:])
