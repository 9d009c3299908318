"""What a check finds: a state, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from fed_credit.config.urls import redacted
from fed_credit.errors import FedCreditError


class State(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer.

    Parameters
    ----------
    check : str
        What was looked at.
    state : State
        A problem keeps the side from taking part, or lets somebody in; a warning will, or may.
    found : str
        What was seen.
    advice : str
        What to do; empty where all is well.
    """

    check: str
    state: State
    found: str
    advice: str


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check, State.OK, found, "")


def warning(check: str, found: str, advice: str) -> Finding:
    """Return what may become a problem, or could not be looked at."""
    return Finding(check, State.WARNING, found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """Return what has to be mended."""
    return Finding(check, State.PROBLEM, found, advice)


def refusal(check: str, error: FedCreditError) -> Finding:
    """Return an error's sentence as a finding; what follows its last semicolon says what to do."""
    found, _, advice = redacted(str(error)).rpartition("; ")
    if not found:
        found, advice = advice, "mend what it names"
    return problem(check, found.rstrip("."), sentence(advice))


def sentence(text: str) -> str:
    """Return words as a sentence: a capital first, a full stop last."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


Check = Callable[[], Iterable[Finding]]


def carried_out(name: str, check: Check) -> list[Finding]:
    """Carry out a check; whatever it meets becomes a finding.

    Parameters
    ----------
    name : str
        What to call the check if it cannot be carried out.
    check : callable
        Yields findings.

    Returns
    -------
    list of Finding
        What it found before it failed, and that it failed.
    """
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except FedCreditError as error:
        findings.append(refusal(name, error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}"
        findings.append(problem(name, what, "See that this user may read it, then ask again."))
    except Exception as error:
        # A doctor that dies of what it should name helps nobody.
        what = f"could not be examined ({type(error).__name__}: {redacted(str(error))})"
        findings.append(problem(name, what, "Mend what it names, or report it as a fault."))
    return findings
