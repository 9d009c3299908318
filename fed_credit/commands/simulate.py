"""``fed-credit simulate``: one run, or with ``-m`` a sweep, through Hydra's own machinery."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.parser import Parser
from fed_credit.config.location import conf_dir
from fed_credit.config.urls import redacted
from fed_credit.errors import ConfigurationError, FedCreditError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fed_credit.config.spec import SimulationSpec, TrackingSpec


_TRACKING = ("tracking=", "tracking.")


class _BugError(Exception):
    """A traceback of the run itself, as text."""


class _FailedError(BaseException):
    """Carries the error of a single run past Hydra, which would print a line of its own."""


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit simulate``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``simulate`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 after a bug, whose traceback is then on standard error.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    KeyboardInterrupt
        With one sentence on how to go on, where a run can be gone on with.
    """
    parser = _parser()
    given = parser.parse_intermixed_args(list(arguments))
    if given.help:
        from fed_credit.commands.simulate_help import help_text

        print(help_text(parser.format_usage()))
        return 0
    if given.cfg and given.multirun:
        raise ConfigurationError("--cfg shows one run's configuration; leave out -m.")
    if given.resolve and not given.cfg:
        raise ConfigurationError("--resolve belongs to --cfg; add --cfg job.")
    if given.reference and not given.multirun:
        raise ConfigurationError("--reference belongs to a sweep; add -m.")
    try:
        swept = _resumed_sweep(given)
        if swept is not None:
            from fed_credit.commands.sweep import resume_sweep

            return resume_sweep(*swept)
        if given.multirun:
            if _folder_of(given) not in ("", "null"):
                _progress(given, _folder_of(given))  # says what cannot be
            return _sweep(given)
        resumed = _resumed(given)
        if resumed is None:
            _through_hydra(given)
        elif given.cfg:
            from fed_credit.config.load import resolved_yaml

            print(resolved_yaml(resumed), end="")
        else:
            _run(resumed)
    except _BugError as bug:
        print(redacted(bug.args[0]), end="", file=sys.stderr)
        return 1
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit simulate",
        usage="fed-credit simulate [KEY=VALUE ...] [-m [--reference KEY=VALUE]] [--cfg job]"
        " [--config-dir DIR] [--debug]",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--config-dir", type=Path, metavar="DIR")
    parser.add_argument("--reference", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--debug", action="store_true")
    return parser


def _sweep(given: argparse.Namespace) -> int:
    """Start a sweep, once its overrides are found to be ones."""
    from fed_credit.commands.sweep import start_sweep
    from fed_credit.config.explain import check_overrides
    from fed_credit.config.load import refuse_passwords
    from fed_credit.config.location import groups

    options = groups(given.config_dir)
    check_overrides(given.overrides, options, multirun=True)
    check_overrides(given.reference, options)
    # Before the configuration is written to the sweep's folder.
    refuse_passwords(given.overrides, config_dir=given.config_dir)
    return start_sweep(given.overrides, given.config_dir, given.reference)


def _folder_of(given: argparse.Namespace) -> str:
    """Return what ``resume=FOLDER`` names, or ``null`` without one."""
    named = [text for text in given.overrides if text.startswith("resume=")]
    return named[-1].partition("=")[2].strip("'\"") if named else "null"


def _resumed_sweep(given: argparse.Namespace) -> tuple[Path, bool | None] | None:
    """Return folder and progress of ``resume=FOLDER`` if it names a sweep's."""
    from fed_credit.commands.sweep import is_sweep

    folder = _folder_of(given)
    if folder in ("", "null") or not is_sweep(Path(folder)):
        return None
    return Path(folder), _progress(given, folder)


def _progress(given: argparse.Namespace, folder: str, also: tuple[str, ...] = ()) -> bool | None:
    """Refuse what cannot be said of a run that is gone on with; return ``progress``."""
    others = [
        text for text in given.overrides if not text.startswith(("resume=", "progress=", *also))
    ]
    if given.multirun or given.config_dir or others:
        extra = others[0] if others else "-m" if given.multirun else "--config-dir"
        raise ConfigurationError(
            f"resume={folder} goes on with the saved configuration of that run, so {extra} cannot"
            " be used with it; leave it out, or start a new run."
        )
    from fed_credit.config.load import compose

    # Composed for the sake of its checks alone.
    return compose([text for text in given.overrides if text.startswith("progress=")]).progress


def _resumed(given: argparse.Namespace) -> SimulationSpec | None:
    """Return the saved specification of ``resume=FOLDER``, or nothing without one."""
    folder = _folder_of(given)
    if folder == "null":
        return None
    progress = _progress(given, folder, _TRACKING)
    from fed_credit.config.load import CONFIG_FILE, from_yaml

    if not folder or not (Path(folder) / CONFIG_FILE).is_file():
        raise ConfigurationError(
            f"resume={folder} is no folder of a run: it holds no {CONFIG_FILE}; name the folder"
            " that the run printed."
        )
    saved = from_yaml(Path(folder) / CONFIG_FILE)
    tracking = _tracking(given.overrides, saved.tracking)
    return replace(saved, resume=folder, run_dir=folder, progress=progress, tracking=tracking)


def _tracking(overrides: Sequence[str], saved: TrackingSpec) -> TrackingSpec:
    """Return who is told from here on: a server may be gone, or wanted only now."""
    from fed_credit.config.load import compose

    changed = [text for text in overrides if text.startswith(_TRACKING)]
    if not changed:
        return saved
    kept = [
        f"tracking={saved.kind}",
        f"tracking.experiment='{saved.experiment}'",
        f"tracking.required={str(saved.required).lower()}",
        f"tracking.timeout_s={saved.timeout_s}",
    ]
    if saved.uri is not None:
        kept.append(f"tracking.uri='{saved.uri}'")
    if any(text.startswith("tracking=") for text in changed):
        kept = []
    return compose([*kept, *changed]).tracking


def _through_hydra(given: argparse.Namespace) -> None:
    # Hydra's own printing hides what went wrong behind its advice; the sentence is ours.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra

    from fed_credit.config.explain import COMPOSITION_ERRORS, check_overrides, explain
    from fed_credit.config.load import compose, refuse_passwords
    from fed_credit.config.location import groups

    if not given.cfg:
        # Before Hydra makes the run's folder.
        _fresh(compose(given.overrides, config_dir=given.config_dir))
    else:
        check_overrides(given.overrides, groups(given.config_dir))
        # Before Hydra shows the configuration.
        refuse_passwords(given.overrides, config_dir=given.config_dir)
    command = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    # Hydra reads its arguments from here and nowhere else.
    before, sys.argv = sys.argv, [sys.argv[0], *_hydra_arguments(given)]
    try:
        command(_job)()
    except _FailedError as failed:
        raise failed.args[0] from None
    except COMPOSITION_ERRORS as error:
        raise explain(error) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise ConfigurationError(
            f"The run's folder {error.filename} cannot be made ({error.strerror}); set"
            " run_dir=FOLDER to one that can."
        ) from error
    finally:
        sys.argv = before


def _hydra_arguments(given: argparse.Namespace) -> list[str]:
    return [
        *(["--cfg", given.cfg] if given.cfg else []),
        *(["--resolve"] if given.resolve else []),
        *(["--config-dir", str(given.config_dir)] if given.config_dir else []),
        *given.overrides,
    ]


def _job(cfg: DictConfig) -> None:
    """Run what Hydra has composed."""
    from hydra.core.hydra_config import HydraConfig

    from fed_credit.config.load import to_spec

    cfg.run_dir = _near(Path(HydraConfig.get().runtime.output_dir))
    try:
        _run(_fresh(to_spec(cfg)))
    except Exception as error:
        raise _FailedError(error) from error


def _fresh(spec: SimulationSpec) -> SimulationSpec:
    if spec.resume is not None:
        raise ConfigurationError(
            "resume cannot be set in a file; write fed-credit simulate resume=FOLDER."
        )
    return spec


def _run(spec: SimulationSpec) -> None:
    """Run, turning what is neither the user's to mend nor an interrupt into a bug's traceback."""
    from fed_credit.config.load import CONFIG_FILE

    try:
        from fed_credit.simulate import simulate

        simulate(spec)
    except FedCreditError:
        with suppress(OSError):  # Hydra made it; one with something in it stays
            Path(spec.run_dir).rmdir()
        raise
    except KeyboardInterrupt:
        if (Path(spec.run_dir) / CONFIG_FILE).is_file():
            raise KeyboardInterrupt(
                f"Go on with: fed-credit simulate resume={spec.run_dir}"
            ) from None
        raise
    except Exception:
        raise _BugError(traceback.format_exc()) from None


def _near(folder: Path) -> str:
    """Return a folder as the user would name it: relative where it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
