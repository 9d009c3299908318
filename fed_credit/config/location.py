"""Where the configuration lies: inside the package in a wheel, at the root of a repository."""

from __future__ import annotations

from pathlib import Path

from fed_credit.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """Return the folder of the packaged configuration (``config.yaml`` and its groups).

    Returns
    -------
    Path
        Absolute path; ``fed_credit/conf`` of an installed wheel, ``conf`` of a repository.

    Raises
    ------
    ConfigurationError
        If neither exists, as after an incomplete installation.
    """
    for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigurationError(
        f"The packaged configuration is missing beside {_PACKAGE}; install fed-credit anew."
    )


def schema_dir() -> Path:
    """Return the folder of the packaged schemas, one YAML file for each.

    Returns
    -------
    Path
        Absolute path of ``schemas`` in :func:`conf_dir`.

    Raises
    ------
    ConfigurationError
        If the packaged configuration is missing.
    """
    return conf_dir() / "schemas"


def deploy_dir() -> Path:
    """Return the folder of what deployments start from: defaults of ``bank.yaml`` and its like.

    Returns
    -------
    Path
        Absolute path of ``deploy`` in :func:`conf_dir`.

    Raises
    ------
    ConfigurationError
        If the packaged configuration is missing.
    """
    return conf_dir() / "deploy"


def operation_dir() -> Path:
    """Return the folder of the packaged ``serve.yaml``, ``monitor.yaml`` and ``retrain.yaml``.

    Returns
    -------
    Path
        Absolute path of ``operation`` in :func:`conf_dir`.

    Raises
    ------
    ConfigurationError
        If the packaged configuration is missing.
    """
    return conf_dir() / "operation"


def groups(config_dir: Path | None = None) -> dict[str, list[str]]:
    """Return the configuration groups and the names of their options.

    Parameters
    ----------
    config_dir : Path or None
        A further folder of configuration.

    Returns
    -------
    dict of str to list of str
        Options by group, both sorted.

    Raises
    ------
    ConfigurationError
        If ``config_dir`` is not a folder.
    """
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigurationError(f"--config-dir={config_dir} is not a folder; name one that is.")
    # Of conf/, and no part of a run.
    others = (schema_dir().name, deploy_dir().name, operation_dir().name)
    found: dict[str, set[str]] = {}
    for folder in (conf_dir(), *([config_dir] if config_dir is not None else [])):
        for path in folder.glob("*/*.yaml"):
            if path.parent.name not in others:
                found.setdefault(path.parent.name, set()).add(path.stem)
    return {group: sorted(found[group]) for group in sorted(found)}
