"""YAML files that a person writes, read strictly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from fed_credit.errors import ConfigurationError

# The one in C reads ten times as fast, and a bank reads its file several times a task.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(_Loader):  # type: ignore[misc, valid-type]
    """Refuses what YAML would take in silence: a name given twice, `yes` in place of a name."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Read names with their values, each name once."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _problem(key, "has a list or a section in place of a name")
            name = self.construct_object(key)
            if isinstance(name, bool) or name is None:
                raise _problem(key, f"has '{key.value}' as a name, which YAML reads as {name}")
            if name in seen:
                raise _problem(key, f"gives '{key.value}' twice")
            seen.add(name)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def _problem(node: yaml.Node, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


@contextmanager
def naming(path: Path | None) -> Iterator[None]:
    """Name the file in what is complained of inside.

    Raises
    ------
    ConfigurationError
        In place of one that names the key alone.
    """
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Parameters
    ----------
    path : Path
        The file, UTF-8.

    Returns
    -------
    dict of str to object
        Empty for a file of nothing but comments.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is no YAML, holds no keys and values, or gives a key twice;
        names the file and the line.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Strict)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        if isinstance(error, yaml.MarkedYAMLError) and error.context is None and mark is not None:
            raise ConfigurationError(f"{path}{line} {error.problem}; mend it.") from None
        raise ConfigurationError(f"{path} is not valid YAML{line}; mend it.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} holds no keys and values; write KEY: VALUE.")
    return {str(key): value for key, value in values.items()}
