"""The pieces that programs are made of: expressions that leave a value, and actions that leave none."""

from typing import Final

from attrs import frozen

from conformance.canisters.operations import BY_NAME, Kind


@frozen
class Expression:
    """A part of a program that leaves one value on the stack."""

    code: bytes


@frozen
class Bytes(Expression):
    """Leaves a byte string."""


@frozen
class Amount(Bytes):
    """Leaves an amount of cycles: a byte string of 16 bytes, little-endian."""


@frozen
class Integer(Expression):
    """Leaves an integer of 64 bits; arithmetic wraps around and is unsigned."""

    def __add__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("add", self, other)

    def __radd__(self, other: int) -> "Integer":
        return _arithmetic("add", other, self)

    def __sub__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("subtract", self, other)

    def __rsub__(self, other: int) -> "Integer":
        return _arithmetic("subtract", other, self)

    def __mul__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("multiply", self, other)

    def __rmul__(self, other: int) -> "Integer":
        return _arithmetic("multiply", other, self)

    def __floordiv__(self, other: "IntegerLike") -> "Integer":
        """Traps if the divisor is zero."""
        return _arithmetic("divide", self, other)

    def __mod__(self, other: "IntegerLike") -> "Integer":
        """Traps if the divisor is zero."""
        return _arithmetic("remainder", self, other)

    def __and__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("bitwise_and", self, other)

    def __or__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("bitwise_or", self, other)

    def __xor__(self, other: "IntegerLike") -> "Integer":
        return _arithmetic("bitwise_xor", self, other)


@frozen
class Action:
    """A part of a program that takes from the stack what it puts there."""

    code: bytes

    def __add__(self, other: "Action") -> "Action":
        """First this action, then the other."""
        return Action(self.code + other.code)


BytesLike = Bytes | bytes
"""A constant stands for the expression that leaves it."""

IntegerLike = Integer | int
AmountLike = Amount | int


def bytes_(value: BytesLike) -> Bytes:
    """The expression that leaves `value`."""
    if isinstance(value, Bytes):
        return value
    return Bytes(_operation_byte("push_bytes") + len(value).to_bytes(4, "little") + value)


def integer(value: IntegerLike) -> Integer:
    """The expression that leaves `value`. Raises `ValueError` for a constant that 64 bits cannot hold."""
    if isinstance(value, Integer):
        return value
    if 0 <= value < 2**32:
        return Integer(_operation_byte("push_u32") + value.to_bytes(4, "little"))
    if -(2**63) <= value < 2**64:
        return Integer(_operation_byte("push_u64") + (value % 2**64).to_bytes(8, "little"))
    raise ValueError(f"{value} does not fit into 64 bits")


def amount(value: AmountLike) -> Amount:
    """The expression that leaves `value` cycles. Raises `ValueError` for a constant that 128 bits cannot hold."""
    if isinstance(value, Amount):
        return value
    if not 0 <= value < 2**128:
        raise ValueError(f"{value} is no amount of cycles: it does not fit into 128 bits")
    return Amount(bytes_(value.to_bytes(16, "little")).code)


def invoke(name: str, *operands: Expression, immediates: bytes = b"") -> bytes:
    """The code of one operation after the code of its operands. Raises `TypeError` if they are not of its kinds."""
    operation = BY_NAME[name]
    wanted = tuple(_CLASS_OF_KIND[kind] for kind in operation.operands)
    if len(operands) != len(wanted) or not all(isinstance(*pair) for pair in zip(operands, wanted, strict=True)):
        kinds = ", ".join(kind.value for kind in operation.operands) or "nothing"
        raise TypeError(f"the operation {name} takes {kinds}")
    return b"".join(operand.code for operand in operands) + bytes([operation.code]) + immediates


def action(name: str, *operands: Expression, immediates: bytes = b"") -> Action:
    """The action that is one operation without result."""
    assert BY_NAME[name].result is None, f"{name} leaves a value"
    return Action(invoke(name, *operands, immediates=immediates))


def bytes_from(name: str, *operands: Expression, immediates: bytes = b"") -> Bytes:
    """The byte string that one operation leaves."""
    assert BY_NAME[name].result is Kind.BYTES, f"{name} leaves no byte string"
    return Bytes(invoke(name, *operands, immediates=immediates))


def integer_from(name: str, *operands: Expression, immediates: bytes = b"") -> Integer:
    """The integer that one operation leaves."""
    assert BY_NAME[name].result is Kind.INTEGER, f"{name} leaves no integer"
    return Integer(invoke(name, *operands, immediates=immediates))


def amount_from(name: str, *operands: Expression, immediates: bytes = b"") -> Amount:
    """The amount that one operation leaves."""
    assert BY_NAME[name].result is Kind.AMOUNT, f"{name} leaves no amount"
    return Amount(invoke(name, *operands, immediates=immediates))


_CLASS_OF_KIND: Final[dict[Kind, type[Expression]]] = {Kind.BYTES: Bytes, Kind.INTEGER: Integer, Kind.AMOUNT: Amount}


def _operation_byte(name: str) -> bytes:
    return bytes([BY_NAME[name].code])


def _arithmetic(name: str, left: IntegerLike, right: IntegerLike) -> Integer:
    return integer_from(name, integer(left), integer(right))
