"""The command ``fed-credit``; imports what a command needs only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from fed_credit import __version__
from fed_credit.commands.parser import Parser
from fed_credit.config.urls import redacted
from fed_credit.errors import ConfigurationError, FedCreditError, suggestion
from fed_credit.interrupts import interrupted, watch

_USAGE = "fed-credit [--version] [--help] COMMAND ..."
_COMMANDS = {
    "simulate": "run a federation on this machine",
    "report": "make the page of a run or a sweep anew from its files",
    "schema": "propose a schema for your own table, or compare tables with one",
    "model": "a model's file: show, verify, sign, change its policy, export",
    "registry": "models by version and stage: register, promote, roll back",
    "score": "score a table of applications by a model",
    "serve": "score over HTTP, with pages for the lending desk or the operator",
    "keys": "API keys of the scoring service: make, list, revoke",
    "decisions": "the decision log: show, reproduce, override, purge",
    "monitor": "look for drift and at matured vintages, and raise alerts",
    "retrain": "train a challenger on matured labels, and let it stand against the champion",
    "lifecycle": "the whole loop on built-in data: a demo, and a year month by month",
    "provision": "make the kits of a consortium: certificates, keys, start scripts",
    "bank": "a bank's machine: make its key, take part in runs, compare models",
    "ledger": "what has left a bank: show it, verify it",
    "deploy": "the operator's side: register banks, submit runs, see who is there",
    "doctor": "check a kit, of a bank or of the operator, and say what to mend",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments after the program's name; ``None`` takes the process's own.

    Returns
    -------
    int
        Exit code: 0, that of the :class:`FedCreditError`, 130 when interrupted, 1 for a bug.
    """
    # Flower reads both when it is imported; nothing about a bank's runs goes anywhere.
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    watch()
    try:
        return _dispatch(arguments)
    except FedCreditError as error:
        if interrupted():
            print("Interrupted.", file=sys.stderr)
            return 130
        if "--debug" in arguments:
            print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        # Whatever a message quotes, the password in an address is not for logs.
        print(f"Error: {redacted(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the output has enough of it; what Python still holds goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as the shell says of a program that SIGPIPE ended
    except KeyboardInterrupt as interrupt:
        # The command says how to go on where it can.
        print(" ".join(["Interrupted.", *map(str, interrupt.args)]), file=sys.stderr)
        return 130


def _dispatch(arguments: list[str]) -> int:
    parser = Parser(
        prog="fed-credit",
        usage=_USAGE,
        description="Banks train, compare and use one credit-risk model without showing each"
        " other a loan.",
        epilog="Commands:\n"
        + "\n".join(f"  {name:<12}{text}" for name, text in _COMMANDS.items())
        + "\n\nfed-credit COMMAND --help tells more; fed-credit simulate is the place to start.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fed-credit {__version__}")
    # Only what stands before the command is this parser's.
    place = next((i for i, word in enumerate(arguments) if not word.startswith("-")), None)
    parser.parse_args(arguments[:place])
    if place is None:
        parser.print_help()
        return 0
    command, rest = arguments[place], arguments[place + 1 :]
    if command in _COMMANDS:
        run = import_module(f"fed_credit.commands.{command}").run_command
        return int(run(rest))
    raise ConfigurationError(
        f"There is no command '{command}'; choose one of {', '.join(_COMMANDS)}."
        f"{suggestion(command, _COMMANDS)}"
    )


if __name__ == "__main__":
    sys.exit(main())
