"""What was decided each day, counted by the database: no decision leaves it for that."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from fed_credit.decision_log.records import Kind
from fed_credit.decision_log.tables import ENTRIES


@dataclass(frozen=True)
class Day:
    """The decisions of a day.

    Parameters
    ----------
    day : str
        ``YYYY-MM-DD``, UTC.
    approved, referred, declined : int
        By the model's verdict.
    overrides : int
        That people wrote on this day, of whatever day's decisions.
    mean_pd : float or None
        Of the decisions; None without any.
    shadowed, agreed : int
        That a challenger scored along, and with the same verdict.
    """

    day: str
    approved: int
    referred: int
    declined: int
    overrides: int
    mean_pd: float | None
    shadowed: int
    agreed: int

    @property
    def decisions(self) -> int:
        """All decisions of the day."""
        return self.approved + self.referred + self.declined


def by_day(connection: Connection, since: str) -> list[Day]:
    """Count decisions and overrides by day.

    Parameters
    ----------
    connection : Connection
        To the log.
    since : str
        Time from which on, as the log writes it.

    Returns
    -------
    list of Day
        In the order of time; days without any are left out.
    """
    day = func.substr(ENTRIES.c.time, 1, 10).label("day")
    decision = ENTRIES.c.kind == Kind.DECISION
    counted = {
        "approved": decision & (ENTRIES.c.verdict == "approve"),
        "referred": decision & (ENTRIES.c.verdict == "refer"),
        "declined": decision & (ENTRIES.c.verdict == "decline"),
        "overrides": ENTRIES.c.kind == Kind.OVERRIDE,
        "shadowed": ENTRIES.c.shadow.is_not(None),
        "agreed": ENTRIES.c.shadow == ENTRIES.c.verdict,
    }
    sums = [func.sum(case((what, 1), else_=0)).label(name) for name, what in counted.items()]
    # Of an override there is no PD; averages leave it out.
    mean = func.avg(ENTRIES.c.pd).label("mean_pd")
    query = select(day, *sums, mean).where(ENTRIES.c.time >= since).group_by(day).order_by(day)
    return [Day(**row) for row in connection.execute(query).mappings()]
