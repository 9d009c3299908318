"""A model's file made of another one: a bank's own policy, or its own calibration.

What scores stays, bit for bit. The new file says which file it was made of, and is not signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fed_credit.config.decision import CalibrationMethod, CalibrationSpec
from fed_credit.config.location import conf_dir
from fed_credit.config.spec import EvaluationSpec, ProfitSpec
from fed_credit.config.yaml_file import read_mapping
from fed_credit.decision.calibration import PdCalibration, fit_calibration, moved_to
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.errors import ArtefactError, ConfigurationError, DataError
from fed_credit.model_file.archive import Opened
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.evaluation import decided_anew, evaluation_body, sample_of
from fed_credit.model_file.make import GIVEN, choose_cut_off
from fed_credit.model_file.own_loans import OwnLoans
from fed_credit.model_file.provenance import edited

POLICY, RECALIBRATION = "policy", "recalibration"


@dataclass(frozen=True)
class Edit:
    """What a bank sets for itself; None leaves it as it is.

    Parameters
    ----------
    policy : mapping of str to object or None
        Keys of :meth:`~fed_credit.decision.policy.DecisionPolicy.as_dict`, each in place of the
        file's.
    approve_below, decline_from : float or None
        Cut-offs.
    reasons : int or None
        Reasons for a declined application at most.
    long_run_default_rate : float or None
        Mean PD of the validation loans after calibration.
    owner : str or None
        Who answers for the model.
    """

    policy: Mapping[str, Any] | None = None
    approve_below: float | None = None
    decline_from: float | None = None
    reasons: int | None = None
    long_run_default_rate: float | None = None
    owner: str | None = None


def edit(source: Opened, wanted: Edit) -> ModelFile:
    """Set a bank's own policy.

    Parameters
    ----------
    source : Opened
        The file.
    wanted : Edit
        What is set.

    Returns
    -------
    ModelFile
        Judged at the new policy from the counts by PD that the file keeps.

    Raises
    ------
    ConfigurationError
        If nothing is set, or what is set makes no sense.
    ArtefactError
        If a long-run default rate is set and the file keeps no validation loans.
    """
    model = source.model
    changed = {key: value for key, value in vars(wanted).items() if value is not None}
    if not changed:
        raise ConfigurationError("Nothing was set; say what is to differ, see --help.")
    policy = _policy(model.policy, wanted)
    calibration = model.calibration
    if wanted.long_run_default_rate is not None:
        calibration = _long_run(model, wanted.long_run_default_rate)
    provenance = edited(model.provenance, source.sha256, POLICY, {"set": changed})
    if wanted.owner is not None:
        provenance["owner"] = wanted.owner
    how = model.evaluation.get("settings", {}).get("cut_off", GIVEN)
    if policy.approve_below != model.policy.approve_below:
        how = GIVEN
    decides = (policy, calibration) != (model.policy, model.calibration)
    evaluation = model.evaluation
    if decides and evaluation:
        evaluation = decided_anew(evaluation, calibration, policy, how)
    return replace(
        model,
        policy=policy,
        calibration=calibration,
        evaluation=evaluation,
        provenance=provenance,
    )


def recalibrate(
    source: Opened,
    own: OwnLoans,
    *,
    method: CalibrationMethod,
    min_bads: int,
    long_run_default_rate: float | None,
    cut_off: bool,
) -> ModelFile:
    """Fit the calibration, and if asked the cut-off, on a bank's own loans.

    Parameters
    ----------
    source : Opened
        The file.
    own : OwnLoans
        Loans to choose on, and others to judge by.
    method : CalibrationMethod
        ``shift`` or ``platt``.
    min_bads : int
        Bad, and good, loans that it takes.
    long_run_default_rate : float or None
        Mean PD of the loans after calibration; None for what they showed.
    cut_off : bool
        Whether the cut-off of highest profit on these loans is taken.

    Returns
    -------
    ModelFile
        Judged on the bank's own loans.

    Raises
    ------
    DataError
        If there are too few bad or good loans to choose on.
    """
    model = source.model
    cells = own.judged.validation.cells
    least = min(cells.bad, cells.n - cells.bad)
    if least < min_bads:
        raise DataError(
            f"Of {own.report.used:,} labelled loans {cells.n:,} are there to calibrate on, with"
            f" {cells.bad:,} bad and {cells.n - cells.bad:,} good ones; {method} needs at least"
            f" {min_bads} of either; bring more loans, or wait until more have matured."
        )
    spec = CalibrationSpec(method, min_bads, long_run_default_rate, model.calibration.floor)
    calibration = fit_calibration(cells.pd, cells.goods, cells.bads, spec)
    evaluation = _evaluation_spec(model)
    policy, how = model.policy, model.evaluation["settings"]["cut_off"]
    if cut_off:
        approve, how = choose_cut_off(None, evaluation.profit, cells, calibration)
        band = policy.decline_from - policy.approve_below
        policy = replace(policy, approve_below=approve, decline_from=min(1.0, approve + band))
    note = {
        "method": calibration.method,
        "shift": calibration.shift,
        "slope": calibration.slope,
        "loans": cells.n,
        "bads": cells.bad,
        "judged_on": own.judged.test.cells.n,
        "fingerprint": own.report.fingerprint,
        "long_run_default_rate": long_run_default_rate,
        "cut_off": policy.approve_below if cut_off else None,
        "warnings": list(own.warnings),
    }
    return replace(
        model,
        calibration=calibration,
        policy=policy,
        evaluation=evaluation_body(own.judged, evaluation, calibration, policy, how),
        provenance=edited(model.provenance, source.sha256, RECALIBRATION, note),
    )


def least_bads(model: ModelFile, method: CalibrationMethod) -> int:
    """Return how many bad, and good, loans a calibration needs.

    Parameters
    ----------
    model : ModelFile
        Its evaluation says how many make a group assessable, which is enough for a shift.
    method : CalibrationMethod
        A slope needs as many as ``decision.calibration.min_bads`` says by default.
    """
    least = _evaluation_spec(model).min_bads
    if method is not CalibrationMethod.PLATT:
        return least
    packaged = read_mapping(conf_dir() / "decision" / "default.yaml")
    return max(least, int(packaged["calibration"]["min_bads"]))


def _policy(policy: DecisionPolicy, wanted: Edit) -> DecisionPolicy:
    body = {**policy.as_dict(), **(wanted.policy or {})}
    own = {*(wanted.policy or {})}
    for key in ("approve_below", "decline_from", "reasons"):
        if getattr(wanted, key) is not None:
            body[key] = getattr(wanted, key)
            own.add(key)
    # Where nothing was referred, one cut-off stays one.
    one = policy.decline_from == policy.approve_below
    if one and "approve_below" in own and "decline_from" not in own:
        body["decline_from"] = body["approve_below"]
    return DecisionPolicy.from_dict(body)


def _long_run(model: ModelFile, rate: float) -> PdCalibration:
    if not 0.0 < rate < 1.0:
        raise ConfigurationError(f"A long-run default rate of {rate} is none; give one in (0, 1).")
    part = model.evaluation.get("validation")
    if part is None:
        raise ArtefactError(
            "The model's file keeps no validation loans to move to a long-run default rate; fit it"
            " on your own loans with fed-credit model recalibrate."
        )
    cells = sample_of(part).cells
    return moved_to(model.calibration, cells.pd, cells.loans, rate)


def _evaluation_spec(model: ModelFile) -> EvaluationSpec:
    try:
        own = model.evaluation["settings"]
        return EvaluationSpec(
            repeats=1,
            confidence=float(own["confidence"]),
            min_bads=int(own["min_bads"]),
            histogram_bins=int(own["histogram_bins"]),
            calibration_bins=int(own["calibration_bins"]),
            baselines=[],
            profit=ProfitSpec(float(own["gain_good"]), float(own["loss_bad"])),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"The model's evaluation does not say how it was judged ({error}); make the file anew."
        ) from None
