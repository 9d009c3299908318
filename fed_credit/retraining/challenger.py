"""Training a challenger on what is known on a day, and letting it stand against the champion."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.config.location import schema_dir
from fed_credit.config.retrain import RetrainSpec
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.cache import cached_dataset
from fed_credit.data.loan_keys import loan_keys
from fed_credit.data.split import assign_parts
from fed_credit.errors import ConfigurationError, FedCreditError
from fed_credit.features.spec import feature_specs
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.retraining.gate import GateResult, Judged, judge
from fed_credit.retraining.vintage import Vintage, as_of_spec, newest_vintage
from fed_credit.retraining.warm_start import warm_start
from fed_credit.simulate import MODEL_FILE, simulate


@dataclass(frozen=True, eq=False)
class Known:
    """What is known on a day.

    Parameters
    ----------
    spec : SimulationSpec
        The run as of that day, the newest vintage held out.
    vintage : Vintage
        That vintage.
    dataset : Dataset
        Matured loans.
    """

    spec: SimulationSpec
    vintage: Vintage
    dataset: Dataset


@dataclass(frozen=True)
class Challenger:
    """A trained challenger.

    Parameters
    ----------
    opened : Opened
        Its file.
    folder : Path
        Of its run.
    warm : bool
        Whether it started from the champion.
    why_not : str
        Why it did not although that was asked for; else empty.
    seconds : float
        Wall time of the run.
    """

    opened: Opened
    folder: Path
    warm: bool
    why_not: str
    seconds: float


def known_on(as_of: np.datetime64, spec: RetrainSpec, simulation: SimulationSpec) -> Known:
    """Load the loans whose labels are mature on a day.

    Parameters
    ----------
    as_of : numpy.datetime64
        The day.
    spec : RetrainSpec
        How many months the newest vintage has.
    simulation : SimulationSpec
        Where the loans lie, and what "bad" means.

    Returns
    -------
    Known

    Raises
    ------
    FedCreditError
        If the data cannot be used, or none is mature.
    """
    run = as_of_spec(simulation, as_of, spec.vintage)
    window = run.data.target.window_months
    assert window is not None
    return Known(run, newest_vintage(as_of, window, spec.vintage.months), _load(run))


def check_new(name: str, seen_until: np.datetime64, vintage: Vintage) -> None:
    """Refuse a vintage that a model has seen: it would be judged by what it was fitted to.

    Parameters
    ----------
    name : str
        What to call the model, within a sentence.
    seen_until : numpy.datetime64
        Last decision day that it has seen.
    vintage : Vintage
        The loans that shall judge.

    Raises
    ------
    ConfigurationError
        Says which loans it has seen.
    """
    if seen_until >= vintage.first:
        raise ConfigurationError(
            f"The newest matured vintage on {vintage.as_of} begins with loans decided on"
            f" {vintage.first}, and {name} has seen loans decided until {seen_until}: it cannot be"
            " judged by them; wait until newer loans have matured, or shorten vintage.months."
        )


def train_challenger(known: Known, spec: RetrainSpec, champion: Opened, folder: Path) -> Challenger:
    """Train a challenger on what is known on a day.

    Parameters
    ----------
    known : Known
        What is known.
    spec : RetrainSpec
        Whether it starts from the champion.
    champion : Opened
        The model in use.
    folder : Path
        Of the run, which keeps its configuration, results, report and model.

    Returns
    -------
    Challenger

    Raises
    ------
    FedCreditError
        If it cannot be trained.
    """
    dataset = known.dataset
    features = feature_specs(dataset.fields, dataset.schema)
    how = warm_start(spec.warm_start, champion, known.spec, features)
    begin = time.perf_counter()
    run = replace(how.spec, run_dir=str(folder))
    simulate(run, start_from=how.start, show=False)
    seconds = time.perf_counter() - begin
    opened = open_model_file(folder / MODEL_FILE)
    return Challenger(opened, folder, how.start is not None, how.why_not, seconds)


def stand(known: Known, spec: RetrainSpec, champion: Opened, challenger: Opened) -> GateResult:
    """Let a challenger stand against the champion on the newest matured vintage.

    Parameters
    ----------
    known : Known
        What is known on the day; its test loans are the vintage.
    spec : RetrainSpec
        What the challenger has to show.
    champion, challenger : Opened
        The models.

    Returns
    -------
    GateResult

    Raises
    ------
    FedCreditError
        If the champion looks at what the loans do not have.
    """
    run, dataset = known.spec, known.dataset
    parts = assign_parts(dataset, run.data.split, run.data.target.window_months, run.seed)
    rows = np.flatnonzero(parts == Part.TEST)
    bank = np.repeat(np.arange(len(dataset.names)), np.diff(dataset.offsets))[rows]
    frame = dataset.features.iloc[rows]
    loans = Judged(
        names=dataset.names,
        bank=bank,
        y=dataset.y[rows],
        champion=deployed_pd(champion, _frame_for(champion, known, rows)),
        challenger=deployed_pd(challenger, frame),
    )
    return judge(loans, spec.gate, run.evaluation)


def deployed_pd(model: Opened, frame: pd.DataFrame) -> np.ndarray:
    """Return the calibrated PDs of validated loans, ``(n,) float64``, as the model is deployed."""
    calibrated: np.ndarray = model.model.calibration.apply(model.model.artefact.score(frame))
    return calibrated


def _frame_for(champion: Opened, known: Known, rows: np.ndarray) -> pd.DataFrame:
    """Return the same loans with the fields that the champion looks at."""
    dataset = known.dataset
    wanted = [feature.name for feature in champion.model.artefact.model.features]
    if set(wanted) <= set(dataset.features.columns):
        return dataset.features.iloc[rows]
    data = replace(
        known.spec.data,
        features=wanted,
        exclude_fields=[],
        allow_late_fields=sorted({*known.spec.data.allow_late_fields, *wanted}),
    )
    try:
        other = _load(replace(known.spec, data=data))
    except FedCreditError as error:
        raise ConfigurationError(
            f"The champion cannot be scored on the vintage ({str(error).rstrip('.')}); give the"
            " loans the fields that it looks at."
        ) from None
    place = pd.Index(loan_keys(other, known.spec.data))
    found = place.get_indexer(pd.Index(loan_keys(dataset, known.spec.data)[rows]))
    if (found < 0).any():
        raise ConfigurationError(
            f"The champion cannot score {int((found < 0).sum())} of {len(rows)} loans of the"
            " vintage, whose values of its fields were rejected; mend them."
        )
    frame: pd.DataFrame = other.features.iloc[found]
    return frame


def _load(spec: SimulationSpec) -> Dataset:
    return cached_dataset(
        spec.data,
        num_institutions=spec.federation.num_institutions,
        schema_dir=schema_dir(),
        seed=spec.seed,
    )
