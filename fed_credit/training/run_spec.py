"""What travels to the banks: configuration, never code, and nothing about where data lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from fed_credit.config.convert import build
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import (
    ModelSpec,
    PreprocessingSpec,
    SimulationSpec,
    SplitSpec,
    TargetSpec,
    Weighting,
)
from fed_credit.data.schema import Field, KnownAt, Schema
from fed_credit.errors import ConfigurationError
from fed_credit.features.spec import FeatureSpec, feature_specs


@dataclass(frozen=True)
class Population:
    """Which loans a run is about; a bank finds them among its own.

    Parameters
    ----------
    schema : str
        Name of the schema.
    target : TargetSpec
        What "bad" means.
    split : SplitSpec
        How loans are divided; the seed is the run's.
    approved_from : str or None
        Loans decided before this date (``YYYY-MM-DD``) are left out.
    """

    schema: str
    target: TargetSpec
    split: SplitSpec
    approved_from: str | None

    @property
    def target_text(self) -> str:
        """What "bad" means, in words."""
        window = self.target.window_months
        return "final status" if window is None else f"bad within {window} months on book"


def planned_rounds(spec: SimulationSpec) -> int:
    """Return how many rounds a run has; a model that is fitted in one go has one."""
    family = spec.model.family
    one = family in EXACT_FAMILIES and family != "gbdt"
    return 1 if one else spec.federation.num_rounds


@dataclass(frozen=True)
class RunSpec:
    """One run of the federation, as the operator asks for it.

    Parameters
    ----------
    seed : int
        Of the split, initial weights and batch order.
    population : Population
        Which loans it is about.
    decision_point : KnownAt
        When the model decides.
    features : tuple of FeatureSpec
        What the model may look at.
    preprocessing : PreprocessingSpec
        The common preprocessor.
    model : ModelSpec
        The model and its local training.
    weighting : Weighting
        What a bank's update counts for.
    proximal_mu : float
        Weight of the squared distance from the incoming model in a bank's loss (FedProx).
    rounds : int
        Rounds of training or of boosting; a bank's own model is trained for as many.
    local_epochs : int
        Passes over a bank's training loans per round.
    histogram_bins : int
        Cells per class of a released score histogram.
    torch_threads : int
        Threads of one bank's training.
    """

    seed: int
    population: Population
    decision_point: KnownAt
    features: tuple[FeatureSpec, ...]
    preprocessing: PreprocessingSpec
    model: ModelSpec
    weighting: Weighting
    proximal_mu: float
    rounds: int
    local_epochs: int
    histogram_bins: int
    torch_threads: int

    @classmethod
    def of(
        cls, spec: SimulationSpec, schema: Schema, fields: Sequence[Field], seed: int
    ) -> RunSpec:
        """Take the part of a configuration that travels.

        Parameters
        ----------
        spec : SimulationSpec
            The configuration.
        schema : Schema
            What the fields are.
        fields : sequence of Field
            The features.
        seed : int
            The seed of this repeat.

        Returns
        -------
        RunSpec
        """
        data = spec.data
        return cls(
            seed=seed,
            population=Population(schema.name, data.target, data.split, data.approved_from),
            decision_point=data.decision_point,
            features=feature_specs(fields, schema),
            preprocessing=spec.preprocessing,
            model=spec.model,
            weighting=spec.strategy.weighting,
            proximal_mu=spec.strategy.proximal_mu or 0.0,
            rounds=planned_rounds(spec),
            local_epochs=spec.federation.local_epochs,
            histogram_bins=spec.evaluation.histogram_bins,
            torch_threads=spec.runtime.torch_threads,
        )

    @classmethod
    def of_schema(cls, spec: SimulationSpec, schema: Schema) -> RunSpec:
        """Take the part of a configuration that travels, with the features that a schema offers."""
        data = spec.data
        fields = schema.features(
            data.decision_point,
            allow_late=data.allow_late_fields,
            exclude=data.exclude_fields,
            only=data.features,
        )
        return cls.of(spec, schema, fields, spec.seed)

    @cached_property
    def json_text(self) -> str:
        """The specification as one line of JSON, which :meth:`from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """Read :attr:`json_text`.

        Raises
        ------
        ConfigurationError
            If the text is not a run's specification, or that of another version.
        """
        try:
            raw = json.loads(text)
            features = tuple(FeatureSpec.from_dict(item) for item in raw.pop("features"))
            return cls(features=features, **vars(build(_Typed, raw)))
        except (ConfigurationError, AttributeError, KeyError, TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ConfigurationError(
                f"The run's specification cannot be read ({reason}); operator and bank need the"
                " same version of fed-credit."
            ) from None


@dataclass
class _Typed:
    """A run without its features: what an operator wrote is taken only by its types."""

    seed: int
    population: Population
    decision_point: KnownAt
    preprocessing: PreprocessingSpec
    model: ModelSpec
    weighting: Weighting
    proximal_mu: float
    rounds: int
    local_epochs: int
    histogram_bins: int
    torch_threads: int
