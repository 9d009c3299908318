"""Whether this machine's clock agrees with the operator's."""

from __future__ import annotations

from collections.abc import Iterator

from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning
from fed_credit.deploy.doctor.network import Answer

_WARN_BEHIND, _WARN_AHEAD = 60.0, 2.0  # seconds


def clock(answer: Answer, tolerance: tuple[float, float]) -> Iterator[Finding]:
    """Compare this machine's clock with the one of who answered.

    Flower signs the time with each request of a bank, and the SuperLink refuses what is too old or
    lies ahead.

    Parameters
    ----------
    answer : Answer
        From :func:`ask`.
    tolerance : tuple of float
        Seconds that this clock may be ahead, and behind, before requests are refused.

    Yields
    ------
    Finding
        One.
    """
    if answer.behind is None:
        yield warning("clock", "the other side did not say its time", "See that NTP runs here.")
        return
    ahead, behind = tolerance
    off = answer.behind
    word = "behind" if off > 0 else "ahead of"
    found = f"{max(0.0, abs(off) - answer.slack):.0f} s {word} the operator's"
    limits = f"Requests are refused from {ahead:g} s ahead or {behind:g} s behind on."
    if off - answer.slack > behind or -off - answer.slack > ahead:
        yield problem("clock", found, f"Set the clock, and let NTP keep it. {limits}")
    elif off - answer.slack > _WARN_BEHIND or -off - answer.slack > _WARN_AHEAD:
        yield warning("clock", found, f"Let NTP keep the clock. {limits}")
    else:
        yield ok("clock", f"within {abs(off) + answer.slack:.0f} s of the operator's")
