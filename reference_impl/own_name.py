"""What the reference implementation calls itself, to whoever asks."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from spec.values.identifiers import Text

OWN_NAME: Final = "icspec reference implementation"


def own_version() -> Text:
    """The version of the package; `unknown` where it is not installed."""
    try:
        return version("icspec")
    except PackageNotFoundError:
        return "unknown"


def server_header() -> Text:
    """The same in a header of HTTP."""
    return f"icspec/{own_version()} ({OWN_NAME})"
