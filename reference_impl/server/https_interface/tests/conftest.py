"""Instances of the interface."""

import pytest

from reference_impl.server.https_interface.tests.in_process import Instance
from reference_impl.server.tests.served import SERVE, Served


@pytest.fixture
def instance():
    """One without canisters, that ends with the test."""
    made = Instance.of()
    yield made
    made.close()


@pytest.fixture(scope="session", params=[(), ("--delegated",)], ids=["root", "delegated"])
def any_server(request, tmp_path_factory):
    """A server of the root subnet, and one of a subnet to which that one delegates."""
    with Served.begun(tmp_path_factory.mktemp("server"), SERVE, *request.param) as served:
        yield served


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server in a process of its own, as `icspec serve` makes it."""
    with Served.begun(tmp_path_factory.mktemp("server"), SERVE) as served:
        yield served
