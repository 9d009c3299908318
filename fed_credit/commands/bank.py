"""``fed-credit bank``: what a bank does on its own machine."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.errors import ConfigurationError, suggestion

_SUBCOMMANDS = {
    "key": "make the key pair by which this bank proves who it is",
    "run": "take part: hold the connection to the operator and answer",
    "report": "compare the common model of a run with one on the bank's own loans alone",
}


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
    head, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if head in ("-h", "--help"):
        print("usage: fed-credit bank SUBCOMMAND ...\n")
        for name, text in _SUBCOMMANDS.items():
            print(f"  {name:<8}{text}")
        print("\nfed-credit bank SUBCOMMAND --help tells more.")
        return 0
    if head == "key":
        from fed_credit.commands.bank_key import run_key

        return run_key(rest)
    if head == "run":
        from fed_credit.commands.bank_run import run_bank

        return run_bank(rest)
    if head == "report":
        from fed_credit.commands.bank_report import run_report

        return run_report(rest)
    raise ConfigurationError(
        f"fed-credit bank has no '{head}'; choose one of {', '.join(_SUBCOMMANDS)}."
        f"{suggestion(head, _SUBCOMMANDS)}"
    )
