"""Submitting a run: checked here first, so that no bank hears of what cannot be run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fed_credit.config.load import compose, refuse_passwords
from fed_credit.config.location import schema_dir
from fed_credit.config.operator import OperatorSpec
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.load import resolve_schema
from fed_credit.deploy.bundle import build_bundle
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import Node, NodeStatus, Run
from fed_credit.errors import ConfigurationError, DeploymentError
from fed_credit.files import local_path
from fed_credit.runtime.deployment import deployable
from fed_credit.runtime.monitored import MonitorRequest
from fed_credit.runtime.registered import key_digest

# Of these a run is looked for by its name.
_NEWEST = 500
# What a folder may be called that nginx serves and every file system takes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_RESUME = "resume="


def run_name(overrides: Sequence[str], name: str | None) -> str:
    """Return the name of a run's folder: given, that of the run gone on with, or by the clock.

    Parameters
    ----------
    overrides : sequence of str
        Of the run.
    name : str or None
        What the operator calls it.

    Returns
    -------
    str

    Raises
    ------
    ConfigurationError
        If it can be no folder's name, or contradicts ``resume=``.
    """
    resumed = _resumed(overrides)
    if resumed is not None:
        others = [text for text in overrides if not text.startswith(_RESUME)]
        if others or name not in (None, resumed):
            raise ConfigurationError(
                f"resume={resumed} goes on with the saved configuration of that run under its name,"
                f" so {others[0] if others else f'--name {name}'} cannot be used with it; leave it"
                " out, or start a new run."
            )
    chosen = resumed or name or f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}"
    if _NAME.fullmatch(chosen) is None:
        raise ConfigurationError(
            f"'{chosen}' cannot be the name of a run; use up to 80 letters, digits, dots, hyphens"
            " and underscores, a letter or digit first."
        )
    return chosen


def check_run(overrides: Sequence[str]) -> SimulationSpec | None:
    """Compose a run as the SuperLink will.

    Parameters
    ----------
    overrides : sequence of str
        As on the command line of ``fed-credit simulate``.

    Returns
    -------
    SimulationSpec or None
        ``None`` for a run that is gone on with: its configuration lies at the SuperLink.

    Raises
    ------
    ConfigurationError
        If it cannot be run over real banks.
    """
    for key, instead in (("run_dir", "--name NAME"), ("progress", "--quiet")):
        if any(text.startswith(f"{key}=") for text in overrides):
            raise ConfigurationError(f"{key} has no meaning in a deployment; use {instead}.")
    if _resumed(overrides) is not None:
        return None
    refuse_passwords(overrides)
    return deployable(compose(overrides))


def expected_banks(operator: OperatorSpec, nodes: Sequence[Node]) -> dict[str, Node]:
    """Return the nodes of the active banks by the banks' names.

    Parameters
    ----------
    operator : OperatorSpec
        With the banks.
    nodes : sequence of Node
        What is registered.

    Returns
    -------
    dict of str to Node
        In the order of the names.

    Raises
    ------
    DeploymentError
        If an active bank is not registered under its name, or there is none.
    """
    registered = {
        node.public_key: node for node in nodes if node.status is not NodeStatus.UNREGISTERED
    }
    found = {bank.name: registered.get(key_bytes(bank.public_key)) for bank in operator.active}
    absent = [name for name, node in found.items() if node is None or node.name != name]
    if absent or not found:
        raise DeploymentError(
            f"Not registered at the SuperLink: {', '.join(absent) or 'any bank'}; run fed-credit"
            " deploy sync first."
        )
    return {name: node for name, node in found.items() if node is not None}


def submit(control: Control, banks: Mapping[str, Node], overrides: Sequence[str], name: str) -> int:
    """Build the bundle and hand a run to the SuperLink.

    Parameters
    ----------
    control : Control
        The SuperLink.
    banks : mapping of str to Node
        Who is expected to take part, by name.
    overrides : sequence of str
        Checked by :func:`check_run`.
    name : str
        Of :func:`run_name`.

    Returns
    -------
    int
        Flower's number of the run.

    Raises
    ------
    DeploymentError
        If a run of this name is under way, or the SuperLink refuses.
    """
    _check_free(control, name)
    schema = _own_schema(overrides)
    if schema is not None:
        # The SuperLink finds it in the bundle, not where it lies here.
        overrides = [*overrides, f"data.schema={schema.stem}"]
    return control.start_run(build_bundle(schema), _config(banks, overrides, name))


def submit_monitor(
    control: Control, banks: Mapping[str, Node], request: MonitorRequest, name: str
) -> int:
    """Hand a monitor over banks to the SuperLink.

    Parameters
    ----------
    control : Control
        The SuperLink.
    banks : mapping of str to Node
        Who is expected to take part, by name.
    request : MonitorRequest
        What is asked.
    name : str
        Of the monitor's own folder; of :func:`run_name`.

    Returns
    -------
    int
        Flower's number of the run.

    Raises
    ------
    DeploymentError
        If a run of this name is under way, or the SuperLink refuses.
    """
    _check_free(control, name)
    return control.start_run(build_bundle(), _config(banks, [request.word()], name))


def _check_free(control: Control, name: str) -> None:
    for run in control.runs(_NEWEST):
        if run.name == name and not run.status.finished:
            raise DeploymentError(
                f"Run '{name}' is under way ({run.run_id}); follow it with: fed-credit deploy run"
                f" --follow {run.run_id}, or choose another --name."
            )


def _config(banks: Mapping[str, Node], overrides: Sequence[str], name: str) -> dict[str, str]:
    return {
        "overrides": shlex.join(overrides),
        "name": name,
        "banks": json.dumps({bank: key_digest(node.public_key) for bank, node in banks.items()}),
    }


def _own_schema(overrides: Sequence[str]) -> Path | None:
    """Return the file of a run's schema, unless it is a packaged one or lies at the SuperLink."""
    spec = check_run(overrides)
    if spec is None or (schema_dir() / f"{spec.data.schema}.yaml").exists():
        return None
    resolve_schema(spec.data.schema, schema_dir())
    return local_path(spec.data.schema)


def find_run(control: Control, word: str) -> Run:
    """Return a run by its number or its name.

    Parameters
    ----------
    control : Control
        The SuperLink.
    word : str
        Flower's number, or a name; of several of that name the newest.

    Returns
    -------
    Run

    Raises
    ------
    DeploymentError
        If there is none.
    """
    runs = control.runs(_NEWEST)
    for run in runs:
        if word in (run.name, str(run.run_id)):
            return run
    if word.isdigit():
        return control.run(int(word))
    raise DeploymentError(
        f"The SuperLink knows no run '{word}'; see its runs with: fed-credit deploy status."
    )


def _resumed(overrides: Sequence[str]) -> str | None:
    given = [text.removeprefix(_RESUME) for text in overrides if text.startswith(_RESUME)]
    return given[-1] if given and given[-1] not in ("", "null") else None
