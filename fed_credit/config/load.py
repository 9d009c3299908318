"""From ``conf/``, overrides and saved files to a checked :class:`SimulationSpec`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from fed_credit.config.convert import build, plain
from fed_credit.config.explain import COMPOSITION_ERRORS, check_overrides, explain, is_sweep
from fed_credit.config.institutions import complete_institutions
from fed_credit.config.location import conf_dir, groups
from fed_credit.config.spec import SimulationSpec
from fed_credit.config.urls import refuse_password
from fed_credit.config.validate import check, check_model_parameters
from fed_credit.config.yaml_file import read_mapping
from fed_credit.errors import ConfigurationError

# Of a run folder: what the run was, every value written out.
CONFIG_FILE = "config.yaml"


def compose(overrides: Sequence[str], *, config_dir: Path | None = None) -> SimulationSpec:
    """Compose a run from the packaged configuration and Hydra overrides.

    Parameters
    ----------
    overrides : sequence of str
        As on the command line: ``model=logreg``, ``federation.num_rounds=3``.
    config_dir : Path or None
        A folder whose groups are searched after the packaged ones, as with ``--config-dir``.

    Returns
    -------
    SimulationSpec

    Raises
    ------
    ConfigurationError
        If an override, a file or a value cannot be used; one sentence that names the key.
    """
    check_overrides(list(overrides), groups(config_dir))
    try:
        composed = _composed(overrides, config_dir)
    except COMPOSITION_ERRORS as error:
        raise explain(error) from error
    return to_spec(composed)


def refuse_passwords(overrides: Sequence[str], *, config_dir: Path | None = None) -> None:
    """Refuse a configuration with a password in the address of a database, wherever it stands.

    Parameters
    ----------
    overrides : sequence of str
        As on the command line, those of a sweep among them.
    config_dir : Path or None
        As for :func:`compose`.

    Raises
    ------
    ConfigurationError
        Names the key. What cannot be composed is left for others to refuse.
    """
    with suppress(*COMPOSITION_ERRORS):
        single = [text for text in overrides if not is_sweep(text)]
        _check_passwords(OmegaConf.to_container(_composed(single, config_dir), resolve=True), "")


def _composed(overrides: Sequence[str], config_dir: Path | None) -> DictConfig:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    given = list(overrides)
    if config_dir is not None:
        given.append(f"hydra.searchpath=['{config_dir.resolve().as_uri()}']")
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="simulate"):
        return hydra_compose("config", overrides=given)


def _check_passwords(node: Any, key: str) -> None:
    if isinstance(node, str):
        refuse_password(key, node)
    elif isinstance(node, dict):
        for name, item in node.items():
            _check_passwords(item, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for place, item in enumerate(node):
            _check_passwords(item, f"{key}[{place}]")


def to_spec(cfg: DictConfig) -> SimulationSpec:
    """Turn a composed configuration into a checked, typed specification.

    Parameters
    ----------
    cfg : DictConfig
        Of the keys of :class:`SimulationSpec`; a node ``hydra`` is left aside.

    Returns
    -------
    SimulationSpec

    Raises
    ------
    ConfigurationError
        If a key is unknown or missing, has another type, or a value that makes no sense.
    """
    try:
        values: Any = OmegaConf.to_container(cfg, resolve=True)
    except COMPOSITION_ERRORS as error:
        raise explain(error) from error
    if not isinstance(values, dict):
        raise ConfigurationError("The configuration must hold keys and values, not a list.")
    _check_passwords(values, "")
    complete_institutions(values)
    check_model_parameters(values)
    spec = build(SimulationSpec, {key: item for key, item in values.items() if key != "hydra"})
    check(spec)
    return spec


def resolved_yaml(spec: SimulationSpec) -> str:
    """Return a specification as YAML, every value written out, as a run folder keeps it.

    Parameters
    ----------
    spec : SimulationSpec
        The run.

    Returns
    -------
    str
        What :func:`from_yaml` reads back to an equal specification.
    """
    return yaml.safe_dump(plain(spec), sort_keys=False, allow_unicode=True, width=100)


def from_yaml(path: Path) -> SimulationSpec:
    """Read a specification that :func:`resolved_yaml` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    SimulationSpec

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is no YAML, or holds what is no run.
    """
    values = read_mapping(path)
    try:
        complete_institutions(values)
        check_model_parameters(values)
        spec = build(SimulationSpec, values)
        check(spec)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return spec
