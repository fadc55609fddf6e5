"""A browser without a window."""

import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import frozen

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


@frozen
class Browser:
    """The program, and a folder for what it keeps."""

    program: str
    profile: Path

    @classmethod
    def found(cls, profile: Path) -> "Browser":
        """That of this machine. Without one the test is skipped."""
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip(f"there is no browser: none of {', '.join(NAMES)}")
        return cls(program, profile)

    def document(self, address: str) -> str:
        """The page as it is once its scripts have run."""
        return self._ran("--dump-dom", address)

    def picture(self, address: str, file: Path) -> None:
        """Writes what a person would see of the page."""
        self._ran(f"--screenshot={file}", "--window-size=800,400", address)

    def _ran(self, *arguments: str) -> str:
        whole = [self.program, *OPTIONS, f"--user-data-dir={self.profile}", "--virtual-time-budget=20000", *arguments]
        told = subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS)
        assert told.returncode == 0, told.stderr[-2000:]
        return told.stdout
