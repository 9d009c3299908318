"""Hydra's and OmegaConf's errors as one sentence each, with the key and the nearest known word."""

from __future__ import annotations

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException
from yaml import YAMLError

from fed_credit.config.convert import is_known, is_open, is_own_name, shown, unknown_key
from fed_credit.config.urls import refuse_password
from fed_credit.errors import ConfigurationError, suggestion

# What composing a configuration raises when the user's files or overrides are at fault.
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    YAMLError,
    RecursionError,  # an interpolation that refers to itself
    ValueError,  # Hydra's own, for odd overrides of a group; text that is not UTF-8
)


def check_overrides(
    overrides: list[str], groups: dict[str, list[str]], *, multirun: bool = False
) -> None:
    """Refuse overrides that Hydra would take, or refuse in words that do not help.

    Parameters
    ----------
    overrides : list of str
        As on the command line.
    groups : dict of str to list of str
        Options by configuration group.
    multirun : bool
        Whether several values of a key make several runs.

    Raises
    ------
    ConfigurationError
        If an override is not ``KEY=VALUE``, names no key, removes one, gives several values to one
        run, or sets a group to no name.
    """
    for text in overrides:
        refuse_password("An override", text)
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            raise _unreadable(text) from None
        key = override.key_or_group
        if not key:
            raise _unreadable(text)
        if key.partition(".")[0] == "hydra" or key.startswith("hydra/"):
            continue
        if override.is_delete():
            raise ConfigurationError(
                f"{text} cannot be used: a run needs every key; set {key}=VALUE instead."
            )
        if key not in groups and not is_known(key):
            raise unknown_key(key)
        if override.is_sweep_override() and not multirun:
            raise ConfigurationError(
                f"{text} gives several values: add -m to run each of them, or write [...] for a"
                " list."
            )
        if key in groups:
            values = [override.value()]
            if override.is_sweep_override():
                values = list(override.sweep_iterator()) if override.is_discrete_sweep() else []
            for value in values:
                # A mapping sets keys of the group: model={dropout:0.1}.
                fits = isinstance(value, dict) or value in groups[key]
                if not fits and not (value is None and key == "experiment"):
                    raise _not_an_option(key, shown(value), groups[key])


def is_sweep(override: str) -> bool:
    """Return whether an override gives several values to one key."""
    return bool(OverridesParser.create().parse_override(override).is_sweep_override())


def explain(error: Exception) -> ConfigurationError:
    """Return the sentence for an error of composition.

    Parameters
    ----------
    error : Exception
        One of :data:`COMPOSITION_ERRORS`.

    Returns
    -------
    ConfigurationError
        To be raised in its place.
    """
    text = str(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        if group:
            return _not_an_option(group, option, list(error.options or ()))
        return ConfigurationError(f"The configuration file '{option}' is missing.")
    if isinstance(error, YAMLError):
        mark = getattr(error, "problem_mark", None)
        where = f"{mark.name}, line {mark.line + 1}," if mark is not None else "A file"
        return ConfigurationError(f"{where} is not valid YAML; mend it.")
    if isinstance(error, UnicodeDecodeError):
        return ConfigurationError("A configuration file is not UTF-8 text; save it as UTF-8.")
    if isinstance(error, RecursionError):
        return ConfigurationError("A value refers to itself by ${...}; give it a plain value.")
    if isinstance(error, InterpolationResolutionError):
        return ConfigurationError(
            f"{error.full_key} refers to what does not exist ({_first_line(text)}); mend the"
            " ${...} in it."
        )
    return _of_composition(error, text)


def _of_composition(error: Exception, text: str) -> ConfigurationError:
    if match := re.match(r"(?:Could not append .*? at|Multiple values for) '?([\w./]+)", text):
        key = match[1].rstrip(".")
        return ConfigurationError(f"The key '{key}' exists already; write {key}=VALUE without +.")
    if match := re.match(r"Error merging override (.*)", text):
        return ConfigurationError(f"The override {match[1]} gives a value of another type.")
    if match := re.match(r"In '(.+?)': Could not override '(.+?)'", text):
        return ConfigurationError(
            f"The configuration file {match[1]}.yaml overrides the group '{match[2]}', which is"
            " not in the defaults list; mend its name."
        )
    if match := re.match(r"Could not override '(.+?)'", text):
        if is_own_name(match[1]):
            return ConfigurationError(
                f"{match[1]} is a name of your own: write it with a plus, +{match[1]}=VALUE."
            )
        if is_open(match[1]):
            return ConfigurationError(
                f"{match[1]} holds names of your own: write it with a plus,"
                f" +{match[1]}={{NAME: VALUE}}."
            )
        if match[1].startswith("model.") and is_known(match[1]):
            return ConfigurationError(
                f"{match[1]} cannot be set: the model that is chosen has no such parameter; choose"
                " the model by its name, as in model=gbdt."
            )
        inner = getattr(error.__cause__, "full_key", None) or ""
        return unknown_key(match[1] if match[1].startswith(inner) else inner)
    if match := re.match(r"In '(.+?)': \w+ raised while composing config:\s*(.*)", text):
        return ConfigurationError(
            f"The configuration file {match[1]}.yaml cannot be merged ({match[2]}); it must hold"
            " keys and values."
        )
    return ConfigurationError(f"The configuration cannot be composed: {_first_line(text)}.")


def _not_an_option(group: str, option: str, options: list[str]) -> ConfigurationError:
    choice = f"choose one of {', '.join(options)}" if options else "the group has no options"
    if len(options) == 1:
        choice = f"the only option is {options[0]}"
    return ConfigurationError(
        f"{group}={option} does not exist: {choice}.{suggestion(option, options)}"
    )


def _unreadable(override: str) -> ConfigurationError:
    if "=" not in override:
        return ConfigurationError(f"'{override}' is no override; write it as KEY=VALUE.")
    key, _, value = override.partition("=")
    return ConfigurationError(
        f"The override {override} cannot be read: write KEY=VALUE, and put a value with special"
        f" characters into two pairs of quotes, as in '{key or 'data.path'}=\"{value}\"'."
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".:") if text.strip() else "no reason given"
