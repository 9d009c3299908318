"""Command lines whose complaints are one sentence, like all others."""

from __future__ import annotations

import argparse
from typing import NoReturn

from fed_credit.errors import ConfigurationError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint.

        Raises
        ------
        ConfigurationError
            Always.
        """
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")
