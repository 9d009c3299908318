"""What makes the jobs of a sweep differ: overrides as keys with values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fed_credit.config.convert import shown

SEED = "seed"


def values_of(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the value of each key that overrides set, Hydra's own keys left aside.

    Parameters
    ----------
    overrides : sequence of str
        Of one job: ``model=logreg``, ``federation.num_rounds=3``.

    Returns
    -------
    dict of str to object
        Numbers, booleans, strings, None, lists and dicts of those.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    keys = {item.get_key_element().lstrip("+"): item.value() for item in parsed}
    return {key: _plain(value) for key, value in keys.items() if not _is_hydras(key)}


def fixed(overrides: Sequence[str]) -> set[str]:
    """Return the keys that a sweep's own overrides give one value, the same for all jobs."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {item.get_key_element().lstrip("+") for item in parsed if not item.is_sweep_override()}


def varying(jobs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys whose values differ between jobs, the seed left aside.

    Parameters
    ----------
    jobs : sequence of dict
        From :func:`values_of`.

    Returns
    -------
    list of str
        In the order in which the jobs name them.
    """
    keys = dict.fromkeys(key for job in jobs for key in job)
    return [
        key
        for key in keys
        if key != SEED and len({shown(job.get(key, _ABSENT)) for job in jobs}) > 1
    ]


def label(values: dict[str, Any], keys: Sequence[str]) -> str:
    """Say a job's values of some keys as on the command line."""
    return " ".join(f"{key}={shown(values[key])}" for key in keys if key in values)


_ABSENT = object()


def _is_hydras(key: str) -> bool:
    return key == "hydra" or key.startswith(("hydra.", "hydra/"))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(name)): _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "text", str(value))  # a quoted string
