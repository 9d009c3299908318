"""Making a report from the files in a folder, without the loans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset
from fed_credit.errors import DataError
from fed_credit.files import plain, write_json, write_text
from fed_credit.repeat import Repeat
from fed_credit.reporting.html.data import FORMAT, build_report_data
from fed_credit.reporting.html.run_page import render_run
from fed_credit.reporting.html.sweep_page import render_sweep

REPORT_HTML, REPORT_DATA = "report.html", "report_data.json"
_RESULTS, _CONFIG, _SWEEP = "results.json", "config.yaml", "sweep.json"


def render_folder(folder: Path, language: str = "en") -> str:
    """Write the report of a run's or a sweep's folder.

    Parameters
    ----------
    folder : Path
        With ``sweep.json``, or with ``results.json``, ``report_data.json`` and ``config.yaml``.
    language : str
        Shown first: ``en`` or ``zh``.

    Returns
    -------
    str
        The page. The same files give the same page.

    Raises
    ------
    DataError
        If the folder holds no finished run or sweep, or a file cannot be read.
    ConfigurationError
        If there is no such language.
    """
    if (folder / _SWEEP).is_file():
        sweep = _read_json(folder / _SWEEP)
        return render_sweep(sweep, *_ratios(folder, sweep), language)
    if not (folder / _RESULTS).is_file():
        begun = (folder / _CONFIG).is_file()
        raise DataError(
            f"{folder} holds no {_RESULTS}: "
            + (
                f"the run has not ended; go on with it by fed-credit simulate resume={folder}."
                if begun
                else "name the folder of a run or of a sweep, which the run printed."
            )
        )
    data = _read_json(folder / REPORT_DATA)
    if data.get("format") != FORMAT:
        raise DataError(
            f"{folder / REPORT_DATA} was written by another version of fed-credit; write it anew"
            f" with fed-credit simulate resume={folder}."
        )
    return render_run(_read_json(folder / _RESULTS), data, _read_text(folder / _CONFIG), language)


def _ratios(folder: Path, sweep: dict[str, Any]) -> tuple[float, float]:
    """Return test and validation loans per training loan, 0 where all seeds have the same ones."""
    for job in sweep["jobs"]:
        path = folder / str(job["number"]) / _RESULTS
        if job["status"] == "ok" and path.is_file():
            results = _read_json(path)
            data = results["data"]
            train = max(data["train"], 1)
            drawn = results["evaluation"]["split"] == "random"
            return (data["test"] / train if drawn else 0.0), data["validation"] / train
    return 0.0, 0.0


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read ({reason}); write it anew with fed-credit simulate"
            f" resume={path.parent}."
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(_read_text(path))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); delete it and run again.") from None
    if not isinstance(body, dict):
        raise DataError(f"{path} is damaged (no object of keys); delete it and run again.")
    return body


def write_run_report(
    folder: Path,
    results: dict[str, Any],
    spec: SimulationSpec,
    dataset: Dataset,
    repeats: Sequence[Repeat],
) -> None:
    """Write ``report_data.json`` and ``report.html`` into a run's folder.

    Parameters
    ----------
    folder : Path
        The run folder, with its ``config.yaml``.
    results : dict
        The body of ``results.json``, which need not be there yet.
    spec, dataset, repeats
        As for :func:`fed_credit.reporting.html.data.build_report_data`.

    Raises
    ------
    FedCreditError
        If they cannot be written.
    """
    data = plain(build_report_data(spec, dataset, repeats))
    write_json(folder / REPORT_DATA, data)
    write_text(folder / REPORT_HTML, render_run(results, data, _read_text(folder / _CONFIG)))
