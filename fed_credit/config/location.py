"""Where the packaged configuration lies: beside the package in a wheel, at the root in a repository."""

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
        Absolute path of ``schema`` in :func:`conf_dir`.

    Raises
    ------
    ConfigurationError
        If the packaged configuration is missing.
    """
    return conf_dir() / "schema"
