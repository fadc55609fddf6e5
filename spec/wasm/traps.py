"""How an execution ends other than by returning."""


class Trap(Exception):
    """The execution ended with a trap. The reason is worded as in the test scripts of the core specification."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotCallable(Trap):
    """The element of a table that was to be called from outside is no function of the right type."""


class OutOfInstructions(Exception):
    """The counter was below zero at a place where it is compared with zero."""


class SliceOverrun(Exception):
    """A single charge reached the end of the slice after the one in which it came."""
