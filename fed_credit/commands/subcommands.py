"""Commands with subcommands of their own: which one is meant, and what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from fed_credit.errors import ConfigurationError, suggestion

Run = Callable[[Sequence[str]], int]


def lazily(module: str, function: str) -> Run:
    """Return a function of a module of this package that is imported when it is called.

    Parameters
    ----------
    module : str
        Its name below ``fed_credit.commands``.
    function : str
        Takes the arguments that follow the subcommand, and returns an exit code.

    Returns
    -------
    callable
    """

    def run(arguments: Sequence[str]) -> int:
        return int(getattr(import_module(f"fed_credit.commands.{module}"), function)(arguments))

    return run


def dispatch(
    command: str,
    subcommands: Mapping[str, tuple[str, Run]],
    arguments: Sequence[str],
    *,
    options: str = "",
) -> int:
    """Run the subcommand that the arguments begin with, or show what there is.

    Parameters
    ----------
    command : str
        The command's name.
    subcommands : mapping of str to tuple of str and callable
        By name: what it does in a line, and what runs it.
    arguments : sequence of str
        What follows the command on the command line.
    options : str
        Of all subcommands, for the usage.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    ConfigurationError
        If there is no such subcommand.
    """
    head, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if head in ("-h", "--help"):
        print(f"usage: fed-credit {command} SUBCOMMAND ...{options}\n")
        width = max(8, *(len(name) + 2 for name in subcommands))
        for name, (text, _) in subcommands.items():
            print(f"  {name:<{width}}{text}")
        print(f"\nfed-credit {command} SUBCOMMAND --help tells more.")
        return 0
    if head in subcommands:
        return subcommands[head][1](rest)
    raise ConfigurationError(
        f"fed-credit {command} has no '{head}'; choose one of {', '.join(subcommands)}."
        f"{suggestion(head, subcommands)}"
    )
