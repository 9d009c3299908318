"""What happens to applicants and to what makes them default, in the built-in data of a year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fed_credit.config.load import compose
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.target import add_months
from fed_credit.errors import ConfigurationError

FIRST_MONTH = np.datetime64("2015-01", "M")
LAUNCH = np.datetime64("2021-12-31", "D")
"""The day of the first champion."""


class Scenario(StrEnum):
    """What changes."""

    NONE = "none"
    GRADUAL = "gradual"
    POPULATION = "population"
    CONCEPT = "concept"


_SUDDEN = "1.5"
_KNOBS: dict[Scenario, list[str]] = {
    # Without a credit cycle, which is a drift of its own.
    Scenario.NONE: ["drift=0", "credit_cycle=0"],
    Scenario.GRADUAL: ["drift=1.5", "credit_cycle=0.3"],
    Scenario.POPULATION: ["drift=0", "credit_cycle=0", f"break_population={_SUDDEN}"],
    Scenario.CONCEPT: ["drift=0", "credit_cycle=0", f"break_concept={_SUDDEN}"],
}


@dataclass(frozen=True)
class YearSettings:
    """What a year is played with.

    Parameters
    ----------
    scenario : Scenario
        What changes.
    months, after : int
        Months of the year, and months of applications after it, by which it is judged.
    break_month : int
        Of the year, from 1: from which on a sudden change holds.
    window : int
        Performance window of the labels, in months.
    model : str
        As in ``model=NAME``.
    seed : int
        Of the records and of the runs.
    loans, banks : int
        How many, from the first month of the records to the last.
    overrides : sequence of str
        Further settings of the run.
    """

    scenario: Scenario
    months: int
    after: int
    break_month: int
    window: int
    model: str
    seed: int
    loans: int
    banks: int
    overrides: Sequence[str]


def year_spec(settings: YearSettings) -> SimulationSpec:
    """Compose the run of a year.

    Parameters
    ----------
    settings : YearSettings
        What it is played with.

    Returns
    -------
    SimulationSpec
        Whose generator makes the records from the first month to the last one that is judged.

    Raises
    ------
    ConfigurationError
        If a setting cannot be used.
    """
    for name, value, lowest in (
        ("--months", settings.months, 1),
        ("--after", settings.after, 1),
        ("--break-month", settings.break_month, 1),
        ("--window", settings.window, 1),
    ):
        if value < lowest:
            raise ConfigurationError(f"{name} {value} is too few; give {lowest} or more.")
    start = (LAUNCH + np.timedelta64(1, "D")).astype("datetime64[M]")
    last = start + (settings.months + settings.after - 1)
    knobs = list(_KNOBS[settings.scenario])
    if settings.scenario in (Scenario.POPULATION, Scenario.CONCEPT):
        knobs.append(f"break_from='{start + (settings.break_month - 1)}'")
    generator = [
        f"num_loans={settings.loans}",
        f"num_institutions={settings.banks}",
        f"seed={settings.seed}",
        f"first_month='{FIRST_MONTH}'",
        f"last_month='{last}'",
        *knobs,
    ]
    return compose(
        [
            "data=synthetic",
            f"model={settings.model}",
            *(f"data.generator.{knob}" for knob in generator),
            f"data.target.window_months={settings.window}",
            f"seed={settings.seed}",
            "evaluation.baselines=[]",
            "progress=false",
            "run_dir=year",
            *settings.overrides,
        ]
    )


def month_ends(settings: YearSettings) -> list[np.datetime64]:
    """Return the last day of each month of the year, ``datetime64[D]``."""
    day = np.timedelta64(1, "D")
    first = np.array([LAUNCH + day])
    return [add_months(first, k)[0] - day for k in range(1, settings.months + 1)]
