"""A second opinion on an obligation, by the solver cvc5, from its SMT-LIB text alone."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

MILLISECONDS = 60_000
"""How long it may think about one obligation."""


def is_installed() -> bool:
    """The package `cvc5` is there; the extra `recheck` of the project brings it."""
    return find_spec("cvc5") is not None


def confirms(text: str) -> bool:
    """The second solver finds, too, that the negation of the obligation is not satisfiable."""
    cvc5: Any = import_module("cvc5")
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(MILLISECONDS))
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, f"(set-logic ALL)\n{text}", "obligation")
    answers = []
    command = parser.nextCommand()
    while not command.isNull():
        answers.append(str(command.invoke(solver, symbols)))
        command = parser.nextCommand()
    return "".join(answers).strip() == "unsat"
