"""A bank's own report of a run: made at the bank, from its own loans, and kept there."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from fed_credit.bank.disk import private_file
from fed_credit.bank.prepare import prepare, run_folder
from fed_credit.bank.received import RUN, received, runs_with_model
from fed_credit.config.bank import load_bank
from fed_credit.errors import ConfigurationError, FedCreditError
from fed_credit.files import plain
from fed_credit.node.home import Home

REPORT, PAGE, RESULTS, MODEL_FILE = "report.md", "report.html", "results.json", "model.fcm"
_LAST = 19  # niceness: whatever else wants the processor goes first

log = logging.getLogger("fed_credit.bank")


def wanted_report(home: Home, run_id: int) -> bool:
    """Return whether a run has come to its end at this bank, and its report is still to be made.

    Parameters
    ----------
    home : Home
        The bank's; its ``bank.yaml`` says whether it wants reports.
    run_id : int
        The run.

    Returns
    -------
    bool
        False also where the bank's file cannot be read: whoever asks has better to do than to fail.
    """
    folder = run_folder(home.root, run_id)
    try:
        if not (folder / RUN).exists() or not load_bank(home.bank_file).report:
            return False
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        return bool(results["model"]["sha256"] != received(home.root, run_id).model.sha256)
    except (OSError, LookupError, TypeError, ValueError):
        return True
    except FedCreditError:
        return False


def make_report(home: Home, run_id: int) -> Path:
    """Train the bank's own model, compare the common one with it, and write report and file.

    Parameters
    ----------
    home : Home
        The bank's.
    run_id : int
        A run that came to its test evaluation at this bank.

    Returns
    -------
    Path
        The report, Markdown. Beside it lie ``report.html``, a page in English and Chinese,
        ``model.fcm``, the common model with the bank's own calibration, policy and evaluation, to
        register and serve, and ``results.json``, the report's figures, which is written last.

    Raises
    ------
    FedCreditError
        If there is no such run, the loans are no longer those of the run, or the disk is full.
    """
    from fed_credit.model_file.archive import packed, parts_of
    from fed_credit.node.own_file import own_model_file
    from fed_credit.node.own_model import compare_alone
    from fed_credit.reporting.bank_report import render_bank_report
    from fed_credit.reporting.html.bank_page import render_bank_page

    bank = load_bank(home.bank_file)
    common = received(home.root, run_id)
    loans = prepare(bank, common.run, run_id, home.root)
    results = plain(compare_alone(bank, run_id, common, loans))
    folder = run_folder(home.root, run_id)
    with private_file(folder / MODEL_FILE) as path:
        path.write_bytes(packed(parts_of(own_model_file(bank, run_id, common, loans, results))))
    body = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False)
    pages = {REPORT: render_bank_report(results), PAGE: render_bank_page(results)}
    for name, text in (*pages.items(), (RESULTS, body + "\n")):
        with private_file(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    return folder / REPORT


def make_in_background(home: Home, run_id: int) -> None:
    """Make a report without getting in the way of anything; what goes wrong is logged.

    Parameters
    ----------
    home : Home
        The bank's.
    run_id : int
        The run.
    """
    os.nice(_LAST)
    try:
        log.info("The report of run %d lies at %s", run_id, make_report(home, run_id))
    except FedCreditError as error:
        log.warning("The report of run %d is not made: %s", run_id, error)


def latest_run(home: Home) -> int:
    """Return the last run that came to its test evaluation at this bank.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    runs = runs_with_model(home.root)
    if not runs:
        raise ConfigurationError(
            f"{home.root} holds no run that came to its test evaluation; take part in one first, or"
            " name the bank's home folder with --home."
        )
    return runs[0]
