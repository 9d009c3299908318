"""What a tracker is told, from the configuration and from ``results.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from fed_credit.config.convert import plain, shown
from fed_credit.config.spec import SimulationSpec

# About the process and not about what it computes.
_NOT_PARAMETERS = ("run_dir", "resume", "progress", "tracking")
_METRICS = ("test", "overall", "decision", "timing")


def parameters(spec: SimulationSpec) -> dict[str, str]:
    """Return the configuration as text by dotted key.

    Parameters
    ----------
    spec : SimulationSpec
        The run.

    Returns
    -------
    dict of str to str
        ``{"federation.num_rounds": "20", ...}``; lists and mappings of names as JSON. Without
        folders, progress and tracking, so that equal runs have equal parameters.
    """
    return {
        key: json.dumps(plain(value), ensure_ascii=False)
        if isinstance(value, list | dict)
        else shown(value)
        for key, value in _leaves(spec, "")
        if key.partition(".")[0] not in _NOT_PARAMETERS
    }


def final_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of ``results.json`` by their path in it.

    Parameters
    ----------
    results : mapping of str to object
        The body of ``results.json``.

    Returns
    -------
    dict of str to float
        ``{"test/federated/auc": 0.71, "overall/federated_minus_local/value": 0.02, ...}``; what is
        not defined is left out.
    """
    return dict(
        figure for name in _METRICS if name in results for figure in _figures(results[name], name)
    )


def result_tags(results: Mapping[str, Any]) -> dict[str, str]:
    """Return what a result's bits come from: data, model and versions.

    Parameters
    ----------
    results : mapping of str to object
        The body of ``results.json``.

    Returns
    -------
    dict of str to str
    """
    return {
        **data_tags(results["data"]["fingerprint"]),
        "fed_credit.model_sha256": results["model"]["sha256"],
        "fed_credit.preprocessor_sha256": results["model"]["preprocessor_sha256"],
        **{f"version.{name}": str(text) for name, text in results["versions"].items()},
    }


def data_tags(fingerprint: str) -> dict[str, str]:
    """Return the tag of the data that a run uses."""
    return {"fed_credit.data_fingerprint": fingerprint}


def run_name(folder: Path) -> str:
    """Call a run by its folder, as the user knows it: day and time, or the name they gave it."""
    parts = folder.parts
    return "/".join(parts[1:]) if parts[:1] == ("runs",) and len(parts) > 1 else folder.name


def _leaves(section: Any, within: str) -> Iterator[tuple[str, Any]]:
    for item in fields(section):
        value = getattr(section, item.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{within}{item.name}.")
        else:
            yield f"{within}{item.name}", value


def _figures(node: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(node, Mapping):
        for name, item in node.items():
            yield from _figures(item, f"{path}/{name}")
    elif isinstance(node, int | float) and not isinstance(node, bool) and math.isfinite(node):
        yield path, float(node)
