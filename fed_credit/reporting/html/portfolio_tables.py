"""Each bank's portfolio as tables and heat maps."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.html.tables import Table, amount, count, heat_map, percent
from fed_credit.reporting.html.texts import Text, field_label, same, sentences, text

_MOST_FEATURES = 24
_PSI_TOP = 0.5  # twice what counts as clearly different


def portfolio_tables(data: dict[str, Any]) -> dict[str, Any]:
    """Lay out the banks' portfolios.

    Parameters
    ----------
    data : dict
        The body of ``report_data.json``.

    Returns
    -------
    dict
        ``banks``, ``psi`` and ``missing``: tables, the last None where nothing is missing; and
        ``psi_read``, ``missing_read``, ``more``: texts, the last None where all banks are shown.
    """
    body = data["portfolio"]
    banks = body["banks"]
    psi_names = _foremost(banks, "psi")
    gaps = [name for name in _foremost(banks, "missing", keep_zero=False)]
    return {
        "banks": _banks(body),
        "psi": _map(data, banks, "psi", psi_names),
        "psi_read": _read(data, "psi", psi_names),
        "missing": _map(data, banks, "missing", gaps) if gaps else None,
        "missing_read": _read(data, "missing", gaps) if gaps else text("portfolio.no_missing"),
        "more": text("portfolio.more", n=len(banks), all=body["banks_in_all"])
        if body["banks_in_all"] > len(banks)
        else None,
    }


def _banks(body: dict[str, Any]) -> Table:
    banks = body["banks"]
    with_exposure = any(bank["exposure"] is not None for bank in banks)
    dated = any(bank["first"] for bank in banks)
    header = [text(f"col.{key}") for key in ("bank", "loans", "bad")]
    if with_exposure:
        unit = f" ({body['currency']})" if body["currency"] else ""
        title = text("col.exposure")
        header += [Text(title.en + unit, title.zh + unit), text("col.median")]
    header += [text("col.months")] if dated else []
    rows = []
    for bank in banks:
        row = [same(bank["name"]), count(bank["loans"]), percent(bank["bad_rate"])]
        row += [amount(bank["exposure"]), amount(bank["exposure_median"])] if with_exposure else []
        row += (
            [same(f"{bank['first']} – {bank['last']}" if bank["first"] else "–")] if dated else []
        )
        rows.append(row)
    return Table(header, rows)


def _foremost(banks: list[dict[str, Any]], key: str, *, keep_zero: bool = True) -> list[str]:
    """Features with the largest values at any bank, in the order of the schema."""
    largest = {
        name: max(bank[key][name] for bank in banks) for name in (banks[0][key] if banks else ())
    }
    names = [name for name, value in largest.items() if keep_zero or value > 0]
    kept = set(sorted(names, key=lambda name: -largest[name])[:_MOST_FEATURES])
    return [name for name in names if name in kept]


def _map(data: dict[str, Any], banks: list[dict[str, Any]], key: str, names: list[str]) -> Table:
    top = _PSI_TOP if key == "psi" else 1.0

    def show(value: float) -> str:
        return f"{value:.2f}" if key == "psi" else f"{100 * value:.0f}"

    return heat_map(
        text("col.bank"),
        [field_label(name, data["labels"]) for name in names],
        [(same(bank["name"]), [bank[key][name] for name in names]) for bank in banks],
        show,
        top,
    )


def _read(data: dict[str, Any], key: str, names: list[str]) -> Text:
    said = [text(f"portfolio.{key}_read")]
    everything = len(data["portfolio"]["features"])
    if len(names) == _MOST_FEATURES < everything:
        said.append(text("portfolio.more_features", n=len(names), all=everything))
    return sentences(said)
