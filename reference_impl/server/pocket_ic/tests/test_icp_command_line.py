"""
The command line `icp`, as its registry has it, deploys a project to an instance that has an engine subnet.

There it creates canisters itself, as an admin of the subnet, since no canister says who operates the engine: the one
that it asks, which a variable names, does not exist.
"""

import base64
import json
import shutil

import pytest
from attrs import frozen

from reference_impl.server.https_interface.tests.icp_command_line import CommandLine
from reference_impl.server.pocket_ic.tests.in_process import text
from reference_impl.server.tests.installing import ROOT
from reference_impl.server.tests.served import POCKET_IC, Served
from spec.values.identifiers import Principal, principal_to_text

MODULES = ROOT / "conformance" / "canisters" / "motoko"
SUBNET = {"state_config": "New", "instruction_config": "Production"}
PROJECT = """
canisters:
  - name: counter
    build: {{ steps: [ {{ type: pre-built, path: counter.wasm }} ] }}
  - name: website
    build: {{ steps: [ {{ type: pre-built, path: website.wasm }} ] }}
networks:
  - {{ name: here, mode: connected, url: "{url}", root-key: fetch }}
environments:
  - {{ name: here, network: here, canisters: [counter, website] }}
"""


@frozen
class Engine:
    """An engine subnet of an instance in live mode, and who administers it."""

    icp: CommandLine
    subnet: str
    nobody: str
    """The id of a canister that does not exist."""

    def told(self, *words, **where):
        """What a command tells."""
        return self.icp.told(*words, "--identity", "alice", ENGINE_CANISTER_ID=self.nobody, **where)


@pytest.fixture
def engine(tmp_path):
    icp = CommandLine.installed(tmp_path / "home", None)
    subnets = {"nns": SUBNET, **dict.fromkeys(("system", "application", "verified_application"), [])}
    admins = [{"principal_id": text(icp.principal)}]
    asked = {
        "subnet_config_set": {
            **subnets,
            "cloud_engine": [{**SUBNET, "cost_schedule": "Free", "subnet_admins": admins}],
        },
        "initial_time": {"AutoProgress": {}},
        "http_gateway_config": {},
    }
    with Served.begun(tmp_path, POCKET_IC) as served:
        status, body = served.asked("POST", "/instances", json.dumps(asked).encode(), content_type="application/json")
        assert status == 201, body
        created = json.loads(body)["Created"]
        icp.url = f"http://127.0.0.1:{created['http_gateway_info']['port']}"
        configs = created["topology"]["subnet_configs"]
        (subnet,) = (name for name, told in configs.items() if told["subnet_kind"] == "CloudEngine")
        last = base64.b64decode(configs[subnet]["canister_ranges"][0]["end"]["canister_id"])
        yield Engine(icp, subnet, principal_to_text(Principal(last)))


def test_it_creates_a_canister_of_an_engine_and_installs_it(engine):
    where = ("-n", engine.icp.url, "-k", "fetch")
    named = engine.told("canister", "create", "--detached", "--subnet", engine.subnet, "--quiet", *where).strip()
    engine.icp.about("install", named, "--wasm", str(MODULES / "counter.wasm"), "--args", "()")
    assert engine.icp.about("call", named, "inc", "()").strip() == "(1 : nat)"
    assert engine.icp.about("call", named, "read", "()", "--query").strip() == "(1 : nat)"


def test_it_deploys_a_project_and_deploys_it_again_as_an_upgrade(engine, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    for name in ("counter.wasm", "website.wasm"):
        shutil.copy(MODULES / name, project)
    (project / "icp.yaml").write_text(PROJECT.format(url=engine.icp.url))
    deploy = ("deploy", "-e", "here", "--subnet", engine.subnet, "-y")
    call = ("canister", "call", "-e", "here", "counter")
    told = engine.told(*deploy, folder=project)
    ids = json.loads((project / ".icp" / "data" / "mappings" / "here.ids.json").read_text())
    assert f"website: http://{ids['website']}.localhost:" in told
    assert f"counter: http://{ids['counter']}" not in told
    assert engine.told(*call, "inc", "()", folder=project).strip() == "(1 : nat)"
    engine.told(*deploy, folder=project)
    assert engine.told(*call, "read", "()", "--query", folder=project).strip() == "(1 : nat)"
    environment = engine.told("canister", "status", "-e", "here", "counter", folder=project)
    assert f"PUBLIC_CANISTER_ID:website, Value: {ids['website']}" in environment
