"""A website, served, and a browser."""

import pytest
from attrs import frozen

from reference_impl.certification.signing import OTHER
from reference_impl.server.http_gateway.tests.browsing import Browser
from reference_impl.server.https_interface.tests.in_process import SUBNET_ID, Answered, Instance
from reference_impl.server.tests.installing import ROOT
from spec.values.identifiers import Principal, principal_to_text

MODULE = ROOT / "conformance" / "canisters" / "motoko" / "website.wasm"


@frozen
class Website:
    """The canister, and the instance that serves it."""

    instance: Instance
    canister_id: Principal

    def get(self, path: str, *, raw: bool = False, method: str = "GET", body=b"", **headers: str) -> Answered:
        """What a browser is answered."""
        named = principal_to_text(self.canister_id)
        host = headers.pop("host", f"{named}.raw.localhost:80" if raw else f"{named}.localhost:80")
        sent = [(b"host", host.encode())]
        sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return self.instance.request(method, path, body, sent)


@pytest.fixture
def browser(tmp_path):
    """That of this machine."""
    return Browser.found(tmp_path / "profile")


@pytest.fixture(scope="module", params=["root", "delegated"])
def website(request):
    """One on the root subnet, and one on a subnet to which that one delegates."""
    instance = Instance.of(subnet_id=SUBNET_ID if request.param == "root" else OTHER.subnet_id)
    yield Website(instance, instance.installed(instance.users[0], MODULE.read_bytes()))
    instance.close()
