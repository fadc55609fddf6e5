"""Servers of the PocketIC interface."""

import pytest

from reference_impl.server.pocket_ic.tests.in_process import Client


@pytest.fixture
def client():
    """A client of a server without instances."""
    made = Client.of()
    yield made
    made.close()


@pytest.fixture
def instance(client):
    """An instance of one application subnet."""
    return client.create(application=1)
