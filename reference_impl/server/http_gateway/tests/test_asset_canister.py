"""
A website in the asset canister of the IC SDK, as the network's websites are kept, opens in a browser.

The module is src/distributed/assetstorage.wasm.gz of the repository dfinity/sdk, which no registry has: the variable
ICSPEC_MODULES names a folder with it, without which the tests are skipped. Its client comes from the registry of npm.
"""

import hashlib
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from reference_impl.server.http_gateway.tests.setting_up import called, installed_over_http
from reference_impl.server.https_interface.tests.in_process import User
from reference_impl.server.tests.installing import NPM, installed
from reference_impl.server.tests.served import SERVE, Served
from spec.tooling.candid_text import message_of
from spec.values.identifiers import Principal, principal_to_text
from spec.values.management import (
    HeapPart,
    LoadSnapshotArguments,
    ModulePart,
    ReadSnapshotDataArguments,
    SnapshotArguments,
    TakeSnapshotArguments,
    UploadSnapshotDataArguments,
    UploadSnapshotMetadataArguments,
    decode_result,
    encode_arguments,
)

MODULE = "assetstorage.wasm.gz"
SCREENSHOT = "SCREENSHOT_OF_ASSETS"
"""The variable that names a file in which the picture of the page is kept."""
CLIENT = Path(__file__).parent / "clients" / "assets"
SEED = 1
OWNER = User.of(SEED)
UPLOADING_SECONDS = 240
PIECE = 1 << 20
LARGE = bytes(range(256)) * 20_000
"""Five megabytes, which the client uploads in three chunks."""
FILES = {
    "index.html": b"""<!doctype html><html><head><title>Assets</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>Served by the asset canister</h1><img src="/square.svg" alt="a square"><p id="told">No script ran.</p>
<script src="/script.js"></script></body></html>""",
    "style.css": b"body { font-family: sans-serif; background: #efe; margin: 3em } h1 { color: #252 }",
    "square.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
    b'<rect width="64" height="64" fill="#585"/></svg>',
    "script.js": b"""const hex = (byte) => byte.toString(16).padStart(2, '0');
const told = document.getElementById('told');
fetch('/large.bin').then((answer) => answer.arrayBuffer()).then(async (bytes) => {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const image = document.querySelector('img').naturalWidth;
  told.textContent = `The large file has the digest ${Array.from(digest, hex).join('')}`
    + ` and the image is ${image} wide.`;
});""",
    "large.bin": LARGE,
}


@frozen
class Assets:
    """The canister, and the server that it is on."""

    served: Served
    canister_id: Principal

    @property
    def address(self) -> str:
        return f"http://{principal_to_text(self.canister_id)}.localhost:{self.served.port}"

    @property
    def raw_address(self) -> str:
        return self.address.replace(".localhost", ".raw.localhost")

    def asked(self, path: str, *, raw: bool = False) -> tuple[int, bytes]:
        """What a browser is answered."""
        host = (self.raw_address if raw else self.address).removeprefix("http://")
        return self.served.asked("GET", path, None, host=host)

    def managed(self, method: str, arguments):
        """What the management canister replies to the controller."""
        reply = called(self.served, OWNER, self.canister_id, method, encode_arguments(arguments))
        return decode_result(method, reply) if reply != b"DIDL\0\0" else None


def module() -> bytes:
    """The module of the asset canister."""
    file = Path(os.environ.get("ICSPEC_MODULES", "/none")) / MODULE
    if not file.is_file():
        pytest.skip(f"{MODULE} is not in the folder that ICSPEC_MODULES names")
    return file.read_bytes()


def client() -> Path:
    """A folder with the client of the asset canister."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    folder = installed("assets", (CLIENT / "package.json", CLIENT / "package-lock.json"), NPM)
    shutil.copy(CLIENT / "upload.mjs", folder)
    return folder


@pytest.fixture(scope="module", params=[(), ("--delegated",)], ids=["root", "delegated"])
def assets(request, tmp_path_factory):
    """An asset canister with files, which its client uploaded."""
    code, folder = module(), client()
    files = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        (files / name).write_bytes(content)
    with Served.begun(tmp_path_factory.mktemp("server"), SERVE, *request.param) as served:
        made = Assets(served, installed_over_http(served, code, message_of("(null)")))
        told = subprocess.run(
            ["node", "upload.mjs", served.url, principal_to_text(made.canister_id), str(files), str(SEED)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=UPLOADING_SECONDS,
        )
        assert told.returncode == 0, told.stderr[-2000:]
        assert json.loads(told.stdout) == {f"/{name}": len(content) for name, content in FILES.items()}
        yield made


def test_the_page_opens_with_all_that_belongs_to_it(assets, browser):
    digest = hashlib.sha256(LARGE).hexdigest()
    for address in (assets.address, assets.raw_address):
        document = browser.document(f"{address}/")
        assert "<h1>Served by the asset canister</h1>" in document
        assert f"The large file has the digest {digest} and the image is 64 wide." in document


def test_the_page_can_be_looked_at(assets, browser, tmp_path):
    picture = tmp_path / "page.png"
    browser.picture(f"{assets.address}/", picture)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    if SCREENSHOT in os.environ:
        shutil.copy(picture, Path(os.environ[SCREENSHOT]))


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_as_it_was_uploaded(assets, name):
    for raw in (False, True):
        assert assets.asked(f"/{name}", raw=raw) == (200, FILES[name])


def test_files_are_certified_in_the_newest_version(assets):
    connection = assets.served.connection()
    connection.request("GET", "/", headers={"host": assets.address.removeprefix("http://")})
    answered = connection.getresponse()
    assert answered.read() == FILES["index.html"]
    assert "version=2" in answered.headers["ic-certificate"]
    assert "expr_path=" in answered.headers["ic-certificate"]
    connection.close()


def test_an_address_of_no_file_has_the_page_of_the_canister(assets):
    for raw in (False, True):
        assert assets.asked("/none/such", raw=raw) == (200, FILES["index.html"])


@contextmanager
def another_in_heap(assets, text: bytes, other: bytes):
    """
    The canister from a snapshot in whose heap the text is another. All else is as it was, also the certified data and
    the canister's own tree of hashes. Afterwards the canister is as before.
    """
    canister = assets.canister_id
    taken = assets.managed("take_canister_snapshot", TakeSnapshotArguments(canister)).id
    told = assets.managed("read_canister_snapshot_metadata", SnapshotArguments(canister, taken))
    heap = b"".join(read_in_pieces(assets, taken, HeapPart, told.wasm_memory_size))
    assert text in heap
    parts = {
        ModulePart: b"".join(read_in_pieces(assets, taken, ModulePart, told.wasm_module_size)),
        HeapPart: heap.replace(text, other),
    }
    assert told.stable_memory_size == 0
    uploaded = assets.managed(
        "upload_canister_snapshot_metadata",
        UploadSnapshotMetadataArguments(
            canister,
            wasm_module_size=told.wasm_module_size,
            wasm_memory_size=told.wasm_memory_size,
            stable_memory_size=told.stable_memory_size,
            globals=told.globals,
            certified_data=told.certified_data,
        ),
    )
    for part, content in parts.items():
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            arguments = UploadSnapshotDataArguments(canister, uploaded, part(start), piece)
            assets.managed("upload_canister_snapshot_data", arguments)
    assets.managed("load_canister_snapshot", LoadSnapshotArguments(canister, uploaded))
    yield
    assets.managed("load_canister_snapshot", LoadSnapshotArguments(canister, taken))


def read_in_pieces(assets, snapshot_id, part, size):
    for start in range(0, size, PIECE):
        kind = part(start, min(PIECE, size - start))
        arguments = ReadSnapshotDataArguments(assets.canister_id, snapshot_id, kind)
        yield assets.managed("read_canister_snapshot_data", arguments)


def test_a_file_of_which_one_byte_is_another_is_refused_and_served_raw(assets, browser):
    right, wrong = b"Served by the asset canister", b"Served by the asset_canister"
    with another_in_heap(assets, right, wrong):
        document = browser.document(f"{assets.address}/")
        assert wrong.decode() not in document
        assert "The answer of the canister is not passed on: the canister certifies another answer" in document
        assert f"<h1>{wrong.decode()}</h1>" in browser.document(f"{assets.raw_address}/")
        assert assets.asked("/")[0] == 502
        assert assets.asked("/style.css") == (200, FILES["style.css"])
    assert assets.asked("/") == (200, FILES["index.html"])
