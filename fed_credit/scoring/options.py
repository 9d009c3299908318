"""How a table is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fed_credit.errors import ConfigurationError
from fed_credit.scoring.scorer import Explain

LANGUAGES = ("en", "zh")
_MOST_ROWS = 500_000
_MOST_REASONS = 1_000  # a column each
_MOST_SENTENCES = 2**21  # of one chunk, in each language


@dataclass(frozen=True)
class BatchOptions:
    """What is written of each loan, and how much is done at once.

    Parameters
    ----------
    explain : Explain
        Which loans get reasons.
    languages : sequence of str
        Of the reasons: ``en``, ``zh``, or both.
    top : int
        Reasons per loan at most.
    chunk_rows : int
        Rows handled at a time.
    jobs : int
        Chunks handled at once, each by a thread of its own.

    Raises
    ------
    ConfigurationError
        If a number makes no sense.
    """

    explain: Explain
    languages: Sequence[str]
    top: int
    chunk_rows: int
    jobs: int

    def __post_init__(self) -> None:
        if not 0 <= self.top <= _MOST_REASONS:
            raise ConfigurationError(
                f"--top {self.top} makes no sense; give a number from 0 to {_MOST_REASONS}."
            )
        if not 1 <= self.chunk_rows <= _MOST_ROWS:
            raise ConfigurationError(
                f"--chunk-rows {self.chunk_rows} cannot be used; give a number from 1 to"
                f" {_MOST_ROWS}."
            )
        if not 1 <= self.jobs <= 256:
            raise ConfigurationError(f"--jobs {self.jobs} cannot be used; give one from 1 to 256.")

    @property
    def rows(self) -> int:
        """Rows of a chunk: fewer than asked for where all their reasons would fill the memory."""
        return max(1, min(self.chunk_rows, _MOST_SENTENCES // max(1, self.top)))

    @property
    def reason_columns(self) -> list[tuple[int, str, str]]:
        """Place, language and name of each column of reasons."""
        if self.explain is Explain.NONE:
            return []
        both = len(self.languages) > 1
        return [
            (place, language, f"reason_{place + 1}" + (f"_{language}" if both else ""))
            for place in range(self.top)
            for language in self.languages
        ]
