"""What Python would answer silently, and perhaps wrongly, on a value that it does not know, is refused."""

from typing import Any, NoReturn

from properties.proof.paths.refusal import NotFollowed, is_asked_by_text


class Guarded:
    """
    A value of which Python's own machinery may learn nothing.

    Without this a container that is not empty would be `True`, a hash would be that of an object, a text would name
    something that exists in the prover only, and an iteration would never end.
    """

    __slots__ = ()

    def _name(self) -> str:
        """How the value is called in refusals."""
        return type(self).__name__

    def _refuse(self, what: str) -> NoReturn:
        raise NotFollowed(f"{what} of the unknown value {self._name()}")

    def __bool__(self) -> bool:
        self._refuse("the truth")

    def __hash__(self) -> int:
        self._refuse("the hash")

    def __len__(self) -> int:
        self._refuse("the exact length")

    def __iter__(self) -> Any:
        self._refuse("the parts")

    def __index__(self) -> int:
        self._refuse("the exact number")

    def __int__(self) -> int:
        self._refuse("the exact number")

    def __float__(self) -> float:
        self._refuse("the exact number")

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __repr__(self) -> str:
        if is_asked_by_text():
            self._refuse("a text")
        return f"<{self._name()}>"

    def __copy__(self) -> Any:
        self._refuse("a copy")

    def __deepcopy__(self, memo: Any) -> Any:
        self._refuse("a copy")

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._refuse("a copy")
