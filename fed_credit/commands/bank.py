"""``fed-credit bank``: what a bank does on its own machine."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.subcommands import dispatch, lazily


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit bank``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``bank`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "key": (
            "make the key pair by which this bank proves who it is",
            lazily("bank_key", "run_key"),
        ),
        "run": (
            "take part: hold the connection to the operator and answer",
            lazily("bank_run", "run_bank"),
        ),
        "report": (
            "compare the common model of a run with one on the bank's own loans alone",
            lazily("bank_report", "run_report"),
        ),
    }
    return dispatch("bank", subcommands, arguments)
