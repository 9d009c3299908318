"""From a specification back to the overrides that compose it: the shortest way to say a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from fed_credit.config.convert import plain
from fed_credit.config.explain import COMPOSITION_ERRORS
from fed_credit.config.load import compose
from fed_credit.config.location import conf_dir, groups
from fed_credit.config.spec import SimulationSpec
from fed_credit.errors import FedCreditError

# What a run may be repeated with otherwise.
_FREE = ("run_dir", "resume", "progress")
# What Hydra's grammar reads as one string without quotes.
_BARE = re.compile(r"[A-Za-z_/.][\w/.\-]*")
_WORDS = frozenset({"null", "true", "false", "nan", "inf"})


def overrides_of(spec: SimulationSpec) -> list[str] | None:
    """Return Hydra overrides that compose a run anew, but for where it lies and what it shows.

    Parameters
    ----------
    spec : SimulationSpec
        The run.

    Returns
    -------
    list of str or None
        Options of groups first, then single keys; not quoted for a shell. None where overrides
        cannot say it, as with keys that Hydra's grammar has no spelling for.
    """
    wanted = {key: value for key, value in plain(spec).items() if key not in _FREE}
    defaults = _defaults()
    chosen = []
    for group, options in groups().items():
        if isinstance(wanted.get(group), dict):
            option = _nearest(group, options, wanted[group])
            chosen += [f"{group}={option}"] if option != defaults.get(group) else []
    try:
        base = _composed(chosen)
        single = [f"{key}={_spelled(value)}" for key, value in _differences(wanted, base)]
        again = plain(compose([*chosen, *single]))
    except (FedCreditError, *COMPOSITION_ERRORS):
        return None
    same = all(again[key] == value for key, value in wanted.items())
    return [*chosen, *single] if same else None


def _defaults() -> dict[str, Any]:
    """Read which option of each group a run takes if nothing is said."""
    root = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    return {
        group: option
        for entry in root["defaults"]
        if isinstance(entry, dict)
        for group, option in entry.items()
    }


def _composed(overrides: Sequence[str]) -> dict[str, Any]:
    """Compose without checks: an option may lack what only a further override gives."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="simulate"):
        cfg = hydra_compose("config", overrides=list(overrides))
    values = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(values, dict)
    return {str(key): item for key, item in values.items() if key not in (*_FREE, "hydra")}


def _nearest(group: str, options: Sequence[str], wanted: dict[str, Any]) -> str:
    """Return the option whose own keys differ least from what is wanted."""
    found = dict(_leaves(wanted))

    def distance(option: str) -> tuple[int, int]:
        text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
        own = {key: v for key, v in _leaves(yaml.safe_load(text) or {}) if key != "defaults"}
        same = sum(key in found and found[key] == value for key, value in own.items())
        return len(own) - same, -same

    return min(options, key=distance)


def _leaves(values: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def _differences(
    wanted: dict[str, Any], base: dict[str, Any], within: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in wanted.items():
        before = base.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and value and before:
            yield from _differences(value, before, f"{within}{name}.")
        elif value != before:
            # Names of the user's own are added, not overridden.
            yield f"{'+' if before == {} else ''}{within}{name}", value


def _spelled(value: Any) -> str:
    """Spell a value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_spelled(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_spelled(item) for item in value) + "]"
    if isinstance(value, str) and not (_BARE.fullmatch(value) and value.lower() not in _WORDS):
        # A backslash escapes only quotes, and itself where it stands before one.
        escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
        return f"'{escaped}'"
    return str(value)
