"""A monitor over banks: of a deployment, driven from the SuperLink, or of loans at hand.

A run of a deployment carries configuration, never a model. Which model is watched is said by the
name of the run that it came of, whose folder lies at the SuperLink. What is left is sums: the
operator's desk judges them.
"""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid

from clients.adapter import make_client_app
from clients.bank import Bank
from clients.gate import Gate
from fed_credit.config.load import CONFIG_FILE, from_yaml
from fed_credit.data.book import Part
from fed_credit.data.every_loan import EveryLoan
from fed_credit.data.schema import load_schema
from fed_credit.decision.calibration import PdCalibration
from fed_credit.drift.profile import Profile
from fed_credit.drift.question import PeriodsQuestion, PeriodSums, read_question, write_question
from fed_credit.errors import ConfigurationError, ReleaseError
from fed_credit.families.protocol import Model
from fed_credit.files import write_json
from fed_credit.model_file.archive import open_model_file
from fed_credit.runtime.diary import Diary
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.places import (
    MODEL_FILE,
    PULL_SECONDS,
    SCHEMA,
    SUMS,
    expected_banks,
    runs_folder,
)
from fed_credit.runtime.pulls import pull_promptly
from fed_credit.runtime.registered import Registered
from fed_credit.runtime.streaming import StreamingGrid
from fed_credit.training.run_spec import RunSpec
from strategies.consortium import Terms
from strategies.exchange import Attendance, Roster
from strategies.monitoring import ask_periods

WORD = "monitor="
FORMAT = 1


@dataclass(frozen=True)
class MonitorRequest:
    """What an operator asks the SuperLink for.

    Parameters
    ----------
    run : str
        Name of the run that the model came of.
    as_of : str
        Day of the report, ``YYYY-MM-DD``.
    months, vintages : tuple of str
        Periods.
    calibration : PdCalibration
        Of the model as it is in use.
    """

    run: str
    as_of: str
    months: tuple[str, ...]
    vintages: tuple[str, ...]
    calibration: PdCalibration

    def word(self) -> str:
        """Return the request as the one word of a run's overrides."""
        body = {
            "run": self.run,
            "as_of": self.as_of,
            "months": list(self.months),
            "vintages": list(self.vintages),
            "calibration": self.calibration.as_dict(),
        }
        return WORD + json.dumps(body, separators=(",", ":"))

    @classmethod
    def read(cls, word: str) -> MonitorRequest:
        """Read what :meth:`word` wrote.

        Raises
        ------
        ConfigurationError
            If it is no request.
        """
        try:
            raw = json.loads(word.removeprefix(WORD))
            return cls(
                str(raw["run"]),
                str(raw["as_of"]),
                tuple(str(name) for name in raw["months"]),
                tuple(str(name) for name in raw["vintages"]),
                PdCalibration.from_dict(raw["calibration"]),
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"The run's setting 'monitor' cannot be read ({error}); leave it to fed-credit"
                " monitor --federated."
            ) from None


@dataclass(frozen=True, eq=False)
class MonitorSums:
    """What a monitor over banks leaves: the question, who answered, and the sums.

    Parameters
    ----------
    model : str
        SHA-256 of what scores.
    question : PeriodsQuestion
        As it was put.
    sums : PeriodSums
        Over the banks.
    banks : tuple of str
        Whose answers are in it.
    missing : mapping of str to str
        Why, by bank, for the others.
    """

    model: str
    question: PeriodsQuestion
    sums: PeriodSums
    banks: tuple[str, ...]
    missing: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads; numbers to the last bit."""
        return {
            "format": FORMAT,
            "model": self.model,
            "question": json.loads(write_question(self.question)),
            "banks": list(self.banks),
            "missing": self.missing,
            "sums": {name: array.tolist() for name, array in self.sums.arrays().items()},
        }

    @classmethod
    def from_dict(cls, raw: Any) -> MonitorSums:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ConfigurationError
            If it is something else, or of another version.
        """
        try:
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']}")
            question = read_question(json.dumps(raw["question"]), ())
            if not isinstance(question, PeriodsQuestion):
                raise ValueError("a question of another kind")
            sums = {name: np.array(value) for name, value in raw["sums"].items()}
            return cls(
                str(raw["model"]),
                question,
                question.read(sums),
                tuple(str(name) for name in raw["banks"]),
                {str(name): str(why) for name, why in raw["missing"].items()},
            )
        except (AttributeError, LookupError, ReleaseError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"The sums of the monitor cannot be read ({error}); run it again."
            ) from None


def asks_monitor(context: Context) -> bool:
    """Whether a run of a deployment is a monitor."""
    return str(context.run_config.get("overrides", "")).lstrip("'\"").startswith(WORD)


def run_monitored(grid: Grid, context: Context) -> None:
    """Ask the connected banks for the sums that are asked for, and write the run's folder.

    Parameters
    ----------
    grid : Grid
        Of the SuperLink.
    context : Context
        Its run configuration holds ``overrides``, ``name`` and ``banks``.

    Raises
    ------
    FedCreditError
        If it cannot be run, or too few banks answer; the SuperLink keeps the sentence.
    """
    asked = {key: str(context.run_config.get(key, "")) for key in ("overrides", "name", "banks")}
    words = shlex.split(asked["overrides"])
    if len(words) != 1:
        raise ConfigurationError("A monitor takes the settings of the run that its model came of.")
    request = MonitorRequest.read(words[0])
    source = runs_folder() / Path(request.run).name
    folder = runs_folder() / (Path(asked["name"]).name or f"run-{context.run_id}")
    if folder.exists():
        raise ConfigurationError(f"Run '{folder.name}' exists already; choose another name.")
    if not (source / MODEL_FILE).exists():
        raise ConfigurationError(
            f"Run '{source.name}' has left no model here; name a run that is complete."
        )
    spec = from_yaml(source / CONFIG_FILE)
    run = RunSpec.of_schema(spec, load_schema(source / SCHEMA))
    opened = open_model_file(source / MODEL_FILE)
    if opened.model.reference is None:
        raise ConfigurationError(
            f"The model of run '{source.name}' has no reference population; train it anew with"
            " banks whose policy answers the task 'monitor'."
        )
    groups = Profile.from_dict(opened.model.reference).groups
    question = PeriodsQuestion(
        groups, request.calibration, request.months, request.vintages, request.as_of
    )
    banks = Registered(grid, expected_banks(asked["banks"]))
    banks.gather(spec.federation)
    folder.mkdir(parents=True)
    names = banks.names
    print(f"Monitor '{folder.name}' of run '{source.name}' with {len(names)} banks")
    diary = Diary(folder, 0)
    roster = Roster(names, diary.note_exchange)
    federation = spec.federation
    terms = Terms(0, federation.quorum, federation.round_timeout_s)
    pull_promptly()
    streaming = StreamingGrid(grid, threading.Event(), PULL_SECONDS)
    artefact = opened.model.artefact
    sums, answered = ask_periods(streaming, roster, run, artefact.model, question, terms)
    missing = dict(diary.exchanges[-1].missing)
    found = MonitorSums(artefact.sha256, question, sums, answered, missing)
    write_json(folder / SUMS, found.to_dict())
    print(f"Monitor '{folder.name}' is complete: {folder / SUMS}")


class WatchedBanks:
    """Banks of which all loans are in this process.

    Parameters
    ----------
    loans : sequence of EveryLoan
        One per bank.
    min_loans : int
        A period with fewer loans of a bank is left out of its answer.
    """

    def __init__(self, loans: Sequence[EveryLoan], min_loans: int) -> None:
        self._loans, self._min_loans = loans, min_loans

    def gate(self, context: Context) -> Gate:
        """Return the gate that lets everything pass: all banks are in one hand."""
        return Gate.open()

    def name(self, context: Context) -> str:
        """Return the name of a node's bank."""
        return self._of(context).institution

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Refuse: these loans are in no split."""
        raise ReleaseError(f"{self.name(context)} answers a monitor alone; refused.")

    def watched(self, context: Context, spec: RunSpec, as_of: str) -> Bank:
        """Return the bank of a node."""
        loans = self._of(context)
        parts = np.full(len(loans), Part.SET_ASIDE, np.int8)
        return Bank(loans, parts, decided=loans.decided, min_loans=self._min_loans)

    def _of(self, context: Context) -> EveryLoan:
        return self._loans[int(context.node_config["partition-id"])]


def ask_at_hand(
    loans: Sequence[EveryLoan],
    run: RunSpec,
    model: Model,
    question: PeriodsQuestion,
    *,
    quorum: float,
    min_loans: int,
) -> MonitorSums:
    """Put a monitor's question to banks whose loans are in this process, as a deployment does.

    Parameters
    ----------
    loans : sequence of EveryLoan
        One per bank.
    run, model : RunSpec and Model
        What is watched, and the run that it came of.
    question : PeriodsQuestion
        Periods and groups.
    quorum : float
        Share of the banks that must answer.
    min_loans : int
        A period with fewer loans of a bank is left out of its answer.

    Raises
    ------
    QuorumError
        If too few banks have a period with enough loans.
    """
    names = {k + 2: bank.institution for k, bank in enumerate(loans)}
    nodes: dict[int, UserConfig] = {node: {"partition-id": node - 2} for node in names}
    grid = InProcessGrid(make_client_app(WatchedBanks(loans, min_loans)), nodes)
    met: list[Attendance] = []
    roster = Roster(names, met.append)
    sums, answered = ask_periods(grid, roster, run, model, question, Terms(0, quorum, 600.0))
    return MonitorSums(model.sha256, question, sums, answered, dict(met[-1].missing))
