"""A browser opens the page of a canister. Where there is none, the tests are skipped."""

import os
import shutil
from pathlib import Path

import pytest

from reference_impl.server.http_gateway.tests.conftest import MODULE
from reference_impl.server.http_gateway.tests.setting_up import installed_over_http
from reference_impl.server.tests.served import SERVE, Served
from spec.values.identifiers import principal_to_text

SCREENSHOT = "SCREENSHOT_OF_THE_WEBSITE"
"""The variable that names a file in which the picture of the page is kept."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a canister on a server in a process of its own."""
    with Served.begun(tmp_path_factory.mktemp("server"), SERVE, "--delegated") as served:
        named = principal_to_text(installed_over_http(served, MODULE.read_bytes()))
        yield f"http://{named}.localhost:{served.port}"


def test_a_certified_page_opens_with_its_style_and_its_script(browser, address):
    document = browser.document(f"{address}/")
    assert "<h1>Served by a canister</h1>" in document
    assert "The script of the canister ran. Counted: 1 POST." in document


def test_an_answer_that_is_not_certified_does_not_open(browser, address):
    document = browser.document(f"{address}/forged")
    assert "something else" not in document
    assert "The answer of the canister is not passed on" in document
    assert "something else" in browser.document(f"{address.replace('.localhost', '.raw.localhost')}/forged")


def test_the_page_can_be_looked_at(browser, address, tmp_path):
    picture = tmp_path / "page.png"
    browser.picture(f"{address}/", picture)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    if SCREENSHOT in os.environ:
        shutil.copy(picture, Path(os.environ[SCREENSHOT]))
