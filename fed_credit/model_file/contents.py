"""What a model's file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fed_credit.artefact import Artefact
from fed_credit.data.schema import Schema
from fed_credit.decision.calibration import PdCalibration
from fed_credit.decision.policy import DecisionPolicy


@dataclass(frozen=True)
class ModelFile:
    """A model as it is deployed.

    Parameters
    ----------
    artefact : Artefact
        What was trained.
    schema : Schema
        What the fields of an application are.
    calibration : PdCalibration
        From the model's PD to the one that decides.
    policy : DecisionPolicy
        From PD to a decision.
    evaluation : mapping of str to object
        What the model is worth: plain values; see ``docs/model-file.md`` for the keys.
    reference : mapping of str to object or None
        The population that drift is measured against: plain values that
        :meth:`fed_credit.drift.profile.Profile.from_dict` reads; None where it is not known.
    provenance : mapping of str to object
        Where it comes from: run, seed, fingerprints of data and code, versions; no time of day, so
        that equal runs leave equal files.
    """

    artefact: Artefact
    schema: Schema
    calibration: PdCalibration
    policy: DecisionPolicy
    evaluation: Mapping[str, Any]
    reference: Mapping[str, Any] | None
    provenance: Mapping[str, Any]
