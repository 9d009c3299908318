"""What a bank says for itself: ``bank.yaml``, typed and checked.

It is read at the bank, from the bank's disk. Nothing that travels can set, replace or point to it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from fed_credit.config.convert import build, refused
from fed_credit.config.location import deploy_dir, schema_dir
from fed_credit.config.merge import merged
from fed_credit.config.names import FAMILIES, TASKS
from fed_credit.config.spec import MappingSpec, SourceSpec
from fed_credit.config.validate_sources import check_source
from fed_credit.config.yaml_file import naming, read_mapping
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.files import local_path

BANK_FILE = "bank.yaml"

_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):(\d{1,5})")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/)([^?]+)(.*)", re.DOTALL)


@dataclass
class PolicySpec:
    """What a bank answers, and within which limits.

    Parameters
    ----------
    tasks : list of str
        What may be asked; see :class:`~fed_credit.training.task.Task`.
    models : list of str
        Families of models that may be trained and evaluated.
    max_features, max_parameters, max_rounds, max_local_epochs, max_histogram_bins : int
        Largest run that is answered: features, weights, rounds, passes per round, and cells per
        class of a score histogram.
    max_numbers : int
        Numbers in one answer.
    max_exchanges_per_run : int
        Answers to one run; refusals are not counted.
    min_loans : int
        What is made of fewer loans does not leave.
    max_seconds : float
        How long one task may take.
    stock_actions : bool
        Whether Flower's plain ``train`` and ``evaluate`` are answered, which release no sums but
        bare weights and figures.
    own_metrics : bool
        Whether the bank's own test metrics go to the operator.
    """

    tasks: list[str]
    models: list[str]
    max_features: int
    max_parameters: int
    max_numbers: int
    max_rounds: int
    max_local_epochs: int
    max_histogram_bins: int
    max_exchanges_per_run: int
    min_loans: int
    max_seconds: float
    stock_actions: bool
    own_metrics: bool


@dataclass
class NodeSpec:
    """The bank's machine and whom it connects to.

    Parameters
    ----------
    superlink : str or None
        The operator's address, ``HOST:PORT``; None where the bank does not say yet.
    runtime_port : int
        Port on this machine between the SuperNode and its app.
    poll_s : float or None
        Seconds between two questions for work; None as Flower ships.
    cache_gb : float
        Most space that prepared loans take on the disk, in 10^9 bytes; 0 keeps none.
    """

    superlink: str | None
    runtime_port: int
    poll_s: float | None
    cache_gb: float


@dataclass
class BankSpec:
    """Everything a bank says for itself.

    Parameters
    ----------
    name : str
        The name under which the operator registered the bank.
    schema : str
        Name of a packaged schema, or an absolute path.
    source : SourceSpec
        Where the loans lie; paths are absolute.
    mapping : MappingSpec
        The source's own names.
    max_rejected_share : float
        Nothing is answered when a larger share of the rows is rejected.
    allow_late_fields : list of str
        Fields known only after the decision that the bank agrees to use.
    policy : PolicySpec
        What the bank answers.
    node : NodeSpec
        The bank's machine.
    report : bool
        Whether the bank makes its own comparison after a run.
    """

    name: str
    schema: str
    source: SourceSpec
    mapping: MappingSpec
    max_rejected_share: float
    allow_late_fields: list[str]
    policy: PolicySpec
    node: NodeSpec
    report: bool


def load_bank(path: Path) -> BankSpec:
    """Read a bank's own file over the packaged defaults.

    Parameters
    ----------
    path : Path
        The file, or the bank's home folder with ``bank.yaml`` in it.

    Returns
    -------
    BankSpec
        With absolute paths. Whether there are loans where it says is for who reads them to see.

    Raises
    ------
    ConfigurationError
        If the file is missing, or a key or value in it cannot be used; names the file and the key.
    """
    file = path / BANK_FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigurationError(
            f"{file} does not exist; name the bank's home folder, which holds {BANK_FILE}."
        )
    own = read_mapping(file)
    common = read_mapping(deploy_dir() / BANK_FILE)
    home = file.absolute().parent  # not resolved: a mounted file may be a link
    with naming(file):
        spec = build(BankSpec, merged(common, own))
        _check(spec)
        source = own_source(spec.source, home)
        return replace(spec, schema=_schema(spec.schema, home), source=source)


def _check(spec: BankSpec) -> None:
    if not spec.name:
        raise ConfigurationError(
            "name is empty; give the name under which the operator registered the bank."
        )
    if spec.name != spec.name.strip() or not spec.name.isprintable():
        raise refused("name", spec.name, "it has blanks around it, or signs that cannot be printed")
    if not spec.schema:
        raise ConfigurationError(
            "schema is empty; give the name of a packaged schema, or the path of a schema file."
        )
    check_source(spec.source, spec.mapping)
    if not 0 <= spec.max_rejected_share <= 1:
        raise refused("max_rejected_share", spec.max_rejected_share, "it must be from 0 to 1")
    _check_policy(spec.policy)
    node = spec.node
    if node.superlink is not None:
        found = _ADDRESS.fullmatch(node.superlink)
        if found is None or not 0 < int(found[1]) < 65536:
            raise refused("node.superlink", node.superlink, "write it as HOST:PORT, without https")
    if not 0 < node.runtime_port < 65536:
        raise refused("node.runtime_port", node.runtime_port, "a port is from 1 to 65535")
    if node.poll_s is not None and not (math.isfinite(node.poll_s) and node.poll_s > 0):
        raise refused("node.poll_s", node.poll_s, "it must be above 0")
    if not (math.isfinite(node.cache_gb) and node.cache_gb >= 0):
        raise refused("node.cache_gb", node.cache_gb, "it must be 0 or more")


def _check_policy(policy: PolicySpec) -> None:
    for key, names, known in (
        ("tasks", policy.tasks, TASKS),
        ("models", policy.models, FAMILIES),
    ):
        for name in names:
            if name not in known:
                raise ConfigurationError(
                    f"policy.{key} names '{name}', which is not known: choose of"
                    f" {', '.join(known)}.{suggestion(name, known)}"
                )
    for key in (
        "max_features",
        "max_parameters",
        "max_numbers",
        "max_rounds",
        "max_local_epochs",
        "max_histogram_bins",
        "max_exchanges_per_run",
        "min_loans",
    ):
        if getattr(policy, key) < 1:
            raise refused(f"policy.{key}", getattr(policy, key), "it must be at least 1")
    if not (math.isfinite(policy.max_seconds) and policy.max_seconds > 0):
        raise refused("policy.max_seconds", policy.max_seconds, "it must be above 0")


def _schema(name: str, home: Path) -> str:
    """Return a packaged schema's name as it is, and a path from the bank's home."""
    packaged = sorted(path.stem for path in schema_dir().glob("*.yaml"))
    if name in packaged:
        return name
    path = home / local_path(name)
    if not path.is_file():
        raise ConfigurationError(
            f"schema={name} is neither a packaged schema ({', '.join(packaged)}) nor a file beside"
            f" {BANK_FILE}; check the path.{suggestion(name, packaged)}"
        )
    return str(path)


def own_source(source: SourceSpec, home: Path) -> SourceSpec:
    """Return a source with its path, or that of its SQLite file, from the bank's home."""
    if source.path is not None:
        return replace(source, path=str(home / local_path(source.path)))
    found = _SQLITE.fullmatch(source.url or "")
    if found is None or found[2] == ":memory:":
        return source
    return replace(source, url=f"{found[1]}{home / local_path(found[2])}{found[3]}")
