"""One source per bank: what a bank does not say is as for all banks."""

from __future__ import annotations

from typing import Any

from fed_credit.config.merge import merged


def complete_institutions(values: dict[str, Any]) -> None:
    """Write out what ``data.institutions`` leaves to ``data.csv`` and ``data.mapping``.

    Parameters
    ----------
    values : dict
        A run's configuration as plain values; changed in place. Entries that are no mappings stay
        as they are, for the typed reading to refuse.
    """
    data = values.get("data")
    entries = data.get("institutions") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(entries, list):
        return
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        source = entry.get("source")
        if isinstance(source, dict):
            for key in ("path", "url", "query"):
                source.setdefault(key, None)
            source["csv"] = merged(data.get("csv"), source.get("csv", {}))
        entry["mapping"] = merged(data.get("mapping"), entry.get("mapping", {}))
