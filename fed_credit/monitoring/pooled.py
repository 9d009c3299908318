"""Reports over several banks, from their sums: of a deployment, and of a simulation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.monitor import MonitorSpec
from fed_credit.config.operator import OperatorSpec
from fed_credit.data.every_loan import EveryLoan, read_every_bank
from fed_credit.data.load import resolve_schema
from fed_credit.deploy.control import Control
from fed_credit.deploy.follow import check_completed, follow
from fed_credit.deploy.results import fetch_text, superlink_is_here
from fed_credit.deploy.submit import expected_banks, submit_monitor
from fed_credit.drift.question import PeriodsQuestion
from fed_credit.errors import ConfigurationError, DeploymentError
from fed_credit.monitoring.job import judge, profile_of, question_of
from fed_credit.monitoring.report import MonitorReport, Watched
from fed_credit.runtime.monitored import MonitorRequest, MonitorSums, ask_at_hand
from fed_credit.runtime.places import SUMS
from fed_credit.scoring.scorer import Scorer
from fed_credit.training.run_spec import RunSpec


def run_of(scorer: Scorer) -> str:
    """Return the name of the run of a deployment that a model came of.

    Raises
    ------
    ConfigurationError
        If it came of none.
    """
    run = scorer.model.provenance.get("run")
    name = run.get("name") if isinstance(run, dict) else None
    if not name:
        raise ConfigurationError(
            "The model did not come of a run of a deployment, so the SuperLink does not have it;"
            " name a model that did, or the run with --run."
        )
    return str(name)


def ask_banks(
    operator: OperatorSpec,
    request: MonitorRequest,
    name: str,
    tell: Callable[[str], None],
) -> MonitorSums:
    """Ask the banks of a deployment for the sums of some periods.

    Parameters
    ----------
    operator : OperatorSpec
        Whose deployment.
    request : MonitorRequest
        What is asked.
    name : str
        Of the monitor's own folder among the runs.
    tell : callable
        Told how it goes, line by line.

    Returns
    -------
    MonitorSums

    Raises
    ------
    FedCreditError
        If it cannot be submitted, does not complete, or its sums cannot be brought.
    """
    with Control(operator) as control:
        banks = expected_banks(operator, control.nodes())
        run_id = submit_monitor(control, banks, request, name)
        tell(f"Submitted: monitor '{name}' ({run_id}) to {len(banks)} banks")
        run, log = follow(control, run_id, tell)
        check_completed(run, log)
    own = operator.runs / name / SUMS
    text: str | None
    if own.is_file() and superlink_is_here(operator):
        text = own.read_text(encoding="utf-8")
    else:
        text = fetch_text(operator, f"{name}/{SUMS}")
    if text is None:
        raise DeploymentError(
            f"Monitor '{name}' has left no sums; its log says what happened: fed-credit deploy run"
            f" --follow {run_id} --log"
        )
    try:
        return MonitorSums.from_dict(json.loads(text))
    except json.JSONDecodeError:
        raise DeploymentError(
            f"What came of monitor '{name}' is incomplete; run it again."
        ) from None


def request_of(
    scorer: Scorer, run: str, as_of: str, settings: MonitorSpec, *, since: str | None
) -> MonitorRequest:
    """Return what the SuperLink is asked for a report of a day."""
    question = question_of(scorer, profile_of(scorer), as_of, settings, since=since)
    return MonitorRequest(run, as_of, question.months, question.vintages, scorer.model.calibration)


def judge_sums(
    scorer: Scorer, found: MonitorSums, settings: MonitorSpec, model: Watched
) -> MonitorReport:
    """Report on the sums of several banks.

    Parameters
    ----------
    scorer : Scorer
        The model that is watched.
    found : MonitorSums
        What the banks answered.
    settings : MonitorSpec
        Limits and levels.
    model : Watched
        Version and hash of the model.

    Raises
    ------
    ConfigurationError
        If the sums are about another model.
    """
    profile = profile_of(scorer)
    if found.model != scorer.model.artefact.sha256 or found.question.groups != profile.groups:
        raise ConfigurationError(
            "The sums are about another model than the one that is watched; name the run that it"
            " came of with --run."
        )
    notes = tuple(f"Without {bank}: {why}." for bank, why in sorted(found.missing.items()))
    return judge(
        found.sums,
        profile,
        found.question.as_of,
        settings,
        bank=None,
        banks=found.banks,
        pooled=True,
        model=model,
        fields=scorer.model.schema.fields,
        notes=notes,
    )


def banks_of(
    overrides: Sequence[str], scorer: Scorer, as_of: str
) -> tuple[list[EveryLoan], RunSpec, float]:
    """Read all loans of all banks of a simulation, as its overrides say.

    Parameters
    ----------
    overrides : sequence of str
        As for ``fed-credit simulate``.
    scorer : Scorer
        Whose features, schema and performance window hold.
    as_of : str
        ``YYYY-MM-DD``: what happened later is not known.

    Returns
    -------
    list of EveryLoan, RunSpec, float
        The banks, what travels to them, and the quorum.
    """
    spec = compose(overrides)
    profile, artefact = profile_of(scorer), scorer.model.artefact
    schema = resolve_schema(spec.data.schema, schema_dir())
    fields = tuple(schema.fields[feature.name] for feature in artefact.model.features)
    target = replace(spec.data.target, window_months=profile.window_months, as_of=as_of)
    loans = read_every_bank(
        spec.data,
        schema,
        fields,
        num_institutions=spec.federation.num_institutions,
        window_months=profile.window_months,
        as_of=as_of,
    )
    dated = replace(spec, data=replace(spec.data, target=target), model=artefact.spec)
    run = RunSpec.of(dated, schema, fields, spec.seed)
    run = replace(run, histogram_bins=profile.groups.score.bins)
    return loans, run, spec.federation.quorum


def ask_simulated(
    overrides: Sequence[str], scorer: Scorer, question: PeriodsQuestion, min_loans: int
) -> MonitorSums:
    """Put a monitor's question to the banks of a simulation; see :func:`banks_of`."""
    loans, run, quorum = banks_of(overrides, scorer, question.as_of)
    model = scorer.model.artefact.model
    return ask_at_hand(loans, run, model, question, quorum=quorum, min_loans=min_loans)
