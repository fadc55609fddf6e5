"""The command line `icp`, as its registry has it."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from reference_impl.server.tests.installing import NPM, installed
from spec.values.identifiers import principal_from_text

HERE = Path(__file__).parent / "clients" / "icp"
PROGRAM = Path("node_modules/@icp-sdk/icp-cli-linux-x64/bin/icp")
RUNNING_SECONDS = 120


class CommandLine:
    """The program, with an identity of its own, at a server."""

    def __init__(self, program, home, url):
        self.program, self.home, self.url = program, home, url
        self.told("settings", "telemetry", "false")
        self.told("settings", "update-check", "disabled")
        self.told("identity", "new", "alice", "--storage", "plaintext")
        self.principal = principal_from_text(self.told("identity", "principal", "--identity", "alice").strip())

    @classmethod
    def installed(cls, home, url):
        """The program of the registry. Where it cannot be had, the test is skipped."""
        if shutil.which("npm") is None:
            pytest.skip("there is no npm")
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            pytest.skip("the package is for Linux on x86-64")
        program = installed("icp", (HERE / "package.json", HERE / "package-lock.json"), NPM) / PROGRAM
        program.chmod(0o755)
        return cls(program, home, url)

    def ran(self, *words, folder=None, **variables):
        fixed = {"ICP_HOME": str(self.home), "NO_COLOR": "1", "DO_NOT_TRACK": "1"}
        return subprocess.run(
            [str(self.program), *words],
            cwd=folder,
            env={**os.environ, **fixed, **variables},
            capture_output=True,
            text=True,
            timeout=RUNNING_SECONDS,
        )

    def told(self, *words, **where):
        ran = self.ran(*words, **where)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def about(self, *words):
        """What a command tells of a canister of the server."""
        return self.told("canister", *words, "-n", self.url, "-k", "fetch", "--identity", "alice")

    def refused(self, *words, key="fetch"):
        """Why a command does not succeed."""
        ran = self.ran("canister", *words, "-n", self.url, "-k", key, "--identity", "alice")
        assert ran.returncode != 0, ran.stdout
        return ran.stderr
