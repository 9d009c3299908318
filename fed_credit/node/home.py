"""Where things lie in a bank's home folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fed_credit.errors import ConfigurationError


@dataclass(frozen=True)
class Home:
    """A bank's home folder.

    Parameters
    ----------
    root : Path
        The folder, absolute.
    """

    root: Path

    @property
    def bank_file(self) -> Path:
        """What the bank says for itself."""
        return self.root / "bank.yaml"

    @property
    def ca(self) -> Path:
        """Certificate of the authority that signed the operator's server certificate."""
        return self.root / "ca.crt"

    @property
    def key(self) -> Path:
        """The bank's private key, 0600."""
        return self.root / "node.key"

    @property
    def bin(self) -> Path:
        """The bank's own commands, first on the path of its SuperNode."""
        return self.root / "bin"

    @property
    def state(self) -> Path:
        """What changes while the bank takes part; nobody else may look into it."""
        return self.root / "state"

    @property
    def log(self) -> Path:
        """Folder of the logs."""
        return self.state / "log"

    @property
    def flower(self) -> Path:
        """``FLWR_HOME`` of the SuperNode."""
        return self.state / "flwr"

    @property
    def socket(self) -> Path:
        """Where the worker listens."""
        return self.state / "worker.sock"

    @property
    def tasks(self) -> Path:
        """One JSON line per task: what was asked, how it ended, how long each step took."""
        return self.log / "tasks.jsonl"

    def prepare(self) -> None:
        """Make the folders below ``state``, for the owner alone.

        Raises
        ------
        ConfigurationError
            If they cannot be made.
        """
        try:
            for folder in (self.state, self.log, self.flower):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.state.chmod(0o700)
        except OSError as error:
            raise ConfigurationError(
                f"{self.state} cannot be made ({error.strerror}); the bank's home folder has to be"
                " writable for who starts it."
            ) from None
