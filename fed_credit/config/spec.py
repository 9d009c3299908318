"""What a run is, in types: the dataclasses behind ``conf/``.

The defaults live in ``conf/`` alone, so no field here has one. :class:`RunSpec` is what travels to
the banks; :class:`SimulationSpec` holds where data lie and how they are divided, and never travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fed_credit.config.decision import DecisionSpec
from fed_credit.config.scorecard import (
    BinningSpec,
    CutsSpec,
    NewtonSpec,
    PointsSpec,
    RatingSpec,
    ScorecardSpec,
    SelectionSpec,
)
from fed_credit.config.trees import TreesSpec
from fed_credit.data.schema import KnownAt
from fed_credit.errors import ConfigurationError


class SourceKind(StrEnum):
    """Where loan records come from."""

    SYNTHETIC = "synthetic"
    SBA = "sba"
    TABLE = "table"


class PartitionKind(StrEnum):
    """How loans are divided over institutions."""

    NATURAL = "natural"
    IID = "iid"
    DIRICHLET = "dirichlet"
    QUANTITY = "quantity"


class SplitKind(StrEnum):
    """How loans are divided into train, validation and test."""

    RANDOM = "random"
    OUT_OF_TIME = "out_of_time"


class Weighting(StrEnum):
    """What a bank's update counts for in the weighted mean."""

    LOANS = "loans"
    EXPOSURE = "exposure"
    EQUAL = "equal"


class ClassWeighting(StrEnum):
    """How goods and bads count in the training loss."""

    NONE = "none"
    BALANCED = "balanced"


class RuntimeKind(StrEnum):
    """What carries the messages."""

    LOCAL = "local"
    SIMULATION = "simulation"


class TrackingKind(StrEnum):
    """Who else gets a run's figures."""

    NONE = "none"
    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"


@dataclass
class SyntheticSpec:
    """Knobs of the built-in generator; see :mod:`fed_credit.data.synthetic`.

    Parameters
    ----------
    num_loans : int
        Loans in all.
    num_institutions : int
        Banks; ``federation.num_institutions`` takes the largest of them.
    seed : int
        Seed of the records, apart from the run's seed, so that repeats vary splits and not data.
    first_month, last_month : str
        Application months, ``YYYY-MM``.
    base_default_rate : float
        Share of loans that default within 24 months, over all.
    size_skew : float
        0 for banks of equal size; larger for a few large and many small ones.
    default_rate_skew : float
        Standard deviation between banks of the log-odds of default.
    covariate_shift : float
        How far banks differ in whom they lend to (sector, region, size of firm); 0 for none.
    concept_shift : float
        How far banks differ in what makes a firm default (coefficients); 0 for none.
    drift : float
        How far the drivers of default move from the first to the last month; 0 for none.
    credit_cycle : float
        Amplitude of the credit cycle in the log-odds of default; 0 for none.
    noise : float
        Standard deviation of what no field explains, in the log-odds of default.
    missing : float
        Scale of missingness; 1 is realistic, 0 is none.
    shared_firms : float
        Share of firms that borrow at more than one bank.
    break_from : str or None
        Month (``YYYY-MM``) from which the next two hold; ``None`` for no break.
    break_population : float
        How far applicants are other ones from then on, as ``drift`` over its whole period.
    break_concept : float
        How far other things make a firm default from then on, as ``drift`` over its whole period.
    """

    num_loans: int
    num_institutions: int
    seed: int
    first_month: str
    last_month: str
    base_default_rate: float
    size_skew: float
    default_rate_skew: float
    covariate_shift: float
    concept_shift: float
    drift: float
    credit_cycle: float
    noise: float
    missing: float
    shared_firms: float
    break_from: str | None
    break_population: float
    break_concept: float


@dataclass
class TargetSpec:
    """What "bad" means.

    Parameters
    ----------
    window_months : int or None
        Performance window in months on book; ``None`` takes the final status as it is.
    as_of : str or None
        Date up to which loans were observed (``YYYY-MM-DD``); ``None`` takes the latest date seen.
    """

    window_months: int | None
    as_of: str | None


@dataclass
class PartitionSpec:
    """How loans are divided over institutions.

    Parameters
    ----------
    kind : PartitionKind
        ``natural`` uses the institution column; the others draw one, seeded.
    num_parts : int
        Institutions to draw when ``kind`` is not ``natural``.
    alpha : float
        Concentration of the Dirichlet or quantity skew; smaller is more skewed.
    """

    kind: PartitionKind
    num_parts: int
    alpha: float


@dataclass
class SplitSpec:
    """How loans are divided into train, validation and test.

    Parameters
    ----------
    kind : SplitKind
        ``random`` is stratified by bank and outcome; ``out_of_time`` cuts at one global date.
    test_share, validation_share : float
        Shares of the loans (of the loans before the cut for validation when out of time).
    test_from : str or None
        First decision date of the test loans (``YYYY-MM-DD``); ``None`` finds the month that
        leaves ``test_share`` of the loans after it.
    stratified : bool or None
        Whether each bank's shares are met by outcome, which takes knowing the firms that borrow at
        several banks; false divides by the firms' keys alone, as banks must that do not see each
        other's. ``None`` stratifies where one process holds all loans, not in deployment.
    embargo : bool
        Whether loans before an out-of-time cut whose window had not closed by the cut are set
        aside, so that the test says what a model trained on that day would have been worth; false
        trains on all that are mature by ``target.as_of``.
    """

    kind: SplitKind
    test_share: float
    validation_share: float
    test_from: str | None
    stratified: bool | None
    embargo: bool


@dataclass
class CsvSpec:
    """How a CSV file is spelled.

    Parameters
    ----------
    delimiter : str
        One character, or ``comma``, ``semicolon``, ``tab``, ``pipe``; ``auto`` finds it from the
        first lines.
    encoding : str
        ``utf-8``, ``gb18030``, ``utf-16``, ...; ``auto`` tells UTF-8, UTF-16 with a mark, and
        GB18030 (with its subsets GBK and GB2312) apart.
    decimal : str
        ``.`` or ``,``: what stands before the decimals of a number.
    """

    delimiter: str
    encoding: str
    decimal: str


@dataclass
class MappingSpec:
    """From a source's own names and spellings to the schema's; fields go by the schema's names.

    Parameters
    ----------
    columns : dict of str to str
        Field by the source's own column name; columns that are not named keep theirs.
    values : dict of str to dict of str to str
        By field, the schema's value by the source's own.
    units : dict of str to float
        By numeric field, what its numbers are multiplied by (10000 from 万元 to yuan).
    dates : dict of str to str
        By date field, how the source spells dates, as in ``%Y%m%d``.
    """

    columns: dict[str, str]
    values: dict[str, dict[str, str]]
    units: dict[str, float]
    dates: dict[str, str]


@dataclass
class SourceSpec:
    """Where one table lies: a file, or a query to a database.

    Parameters
    ----------
    path : str or None
        File: CSV or Parquet.
    url : str or None
        SQLAlchemy URL of a database, without a password.
    query : str or None
        What to ask that database.
    csv : CsvSpec
        How the file is spelled, if it is CSV.
    """

    path: str | None
    url: str | None
    query: str | None
    csv: CsvSpec


@dataclass
class InstitutionSpec:
    """One bank's own source.

    Parameters
    ----------
    name : str
        The bank; takes the place of the institution column.
    source : SourceSpec
        Where its loans lie; what it does not say under ``csv`` is as in ``data.csv``.
    mapping : MappingSpec
        Its own names; what it does not say is as in ``data.mapping``.
    """

    name: str
    source: SourceSpec
    mapping: MappingSpec


@dataclass
class DataSpec:
    """Where loan records come from and which of them count.

    Parameters
    ----------
    source : SourceKind
        Kind of source.
    path : str or None
        File to read; none for the built-in generator.
    url, query : str or None
        A database instead of a file.
    csv : CsvSpec
        How a CSV file is spelled.
    mapping : MappingSpec
        From the source's own names to the schema's.
    institutions : list of InstitutionSpec
        One source per bank, instead of one with an institution column.
    schema : str
        Name of a packaged schema, or path to a schema file.
    decision_point : KnownAt
        When the model decides: ``application`` or ``booking``.
    allow_late_fields : list of str
        Fields used although they are known only later; results then carry a leakage warning.
    exclude_fields : list of str
        Features left out.
    features : list of str
        If not empty, exactly these features.
    approved_from : str or None
        Loans decided before this date (``YYYY-MM-DD``) are left out and counted.
    min_loans : int
        Institutions with fewer labelled loans are left out and counted.
    max_rejected_share : float
        The run stops when a larger share of the rows is rejected.
    target, partition, split, generator
        See the classes.
    """

    source: SourceKind
    path: str | None
    url: str | None
    query: str | None
    csv: CsvSpec
    mapping: MappingSpec
    institutions: list[InstitutionSpec]
    schema: str
    decision_point: KnownAt
    allow_late_fields: list[str]
    exclude_fields: list[str]
    features: list[str]
    approved_from: str | None
    min_loans: int
    max_rejected_share: float
    target: TargetSpec
    partition: PartitionSpec
    split: SplitSpec
    generator: SyntheticSpec


@dataclass
class PreprocessingSpec:
    """The common preprocessor.

    Parameters
    ----------
    clip_quantile : float
        Numeric values are clipped to the bins of this and of one minus this quantile; 0 for none.
    rare_share : float
        Categories below this share of all training loans are grouped.
    missing_indicators : bool
        Whether a numeric feature with missing values gets an indicator column.
    """

    clip_quantile: float
    rare_share: float
    missing_indicators: bool


@dataclass
class FederationSpec:
    """Who takes part and for how long.

    Parameters
    ----------
    num_institutions : int or None
        The k largest institutions take part; ``None`` for all.
    num_rounds : int
        Rounds of training, or of boosting; families that are fitted in one go have one.
    local_epochs : int
        Passes over a bank's training loans per round.
    fraction : float
        Share of the banks that train in a round, drawn by name; the others only evaluate.
    quorum : float
        Share of the banks asked that must answer, or the run stops and names the others.
    round_timeout_s : float
        Seconds to wait for the replies of one exchange.
    join_timeout_s : float
        Seconds that a deployment waits for banks to connect before its first exchange.
    """

    num_institutions: int | None
    num_rounds: int
    local_epochs: int
    fraction: float
    quorum: float
    round_timeout_s: float
    join_timeout_s: float


@dataclass(frozen=True)
class NetworkSpec:
    """The part of a model's specification that a network looks at; see :class:`ModelSpec`."""

    hidden: tuple[int, ...]
    dropout: float
    learning_rate: float
    weight_decay: float
    batch_size: int


@dataclass
class ModelSpec:
    """The model and how it is trained; what a family does not use is ``None``.

    Parameters
    ----------
    family : str
        Model family; see :data:`fed_credit.config.names.MODEL_PARAMETERS` for what each uses.
    hidden : list of int
        Units of the hidden layers; empty for logistic regression.
    dropout : float
        Dropout after each hidden layer.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Loans per optimiser step.
    class_weighting : ClassWeighting
        ``balanced`` weights bads up and corrects the intercept once, from summed counts.
    cuts, binning, selection, newton, points, rating
        Of exact models; see :mod:`fed_credit.config.scorecard`.
    trees : TreesSpec
        How trees are grown.
    """

    family: str
    hidden: list[int] | None
    dropout: float | None
    learning_rate: float | None
    weight_decay: float | None
    batch_size: int | None
    class_weighting: ClassWeighting | None
    cuts: CutsSpec | None
    binning: BinningSpec | None
    selection: SelectionSpec | None
    newton: NewtonSpec | None
    points: PointsSpec | None
    rating: RatingSpec | None
    trees: TreesSpec | None

    @property
    def network(self) -> NetworkSpec:
        """What a network looks at."""
        return NetworkSpec(
            hidden=tuple(self._needed("hidden")),
            dropout=self._needed("dropout"),
            learning_rate=self._needed("learning_rate"),
            weight_decay=self._needed("weight_decay"),
            batch_size=self._needed("batch_size"),
        )

    @property
    def scorecard(self) -> ScorecardSpec:
        """What a scorecard looks at."""
        names = ("cuts", "binning", "selection", "newton", "points", "rating")
        return ScorecardSpec(*(self._needed(name) for name in names))

    @property
    def regression(self) -> NewtonSpec:
        """How an exact logistic regression is fitted."""
        found: NewtonSpec = self._needed("newton")
        return found

    @property
    def boosting(self) -> tuple[CutsSpec, TreesSpec]:
        """The common cuts of trees, and how the trees are grown."""
        return self._needed("cuts"), self._needed("trees")

    def _needed(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None:
            raise ConfigurationError(f"model.family={self.family} needs model.{name}; set it.")
        return value


@dataclass
class StrategySpec:
    """The consortium's aggregation.

    Parameters
    ----------
    name : str
        ``fedavg``, ``fedprox``, ``fedavgm``, ``fedadam``, ``fedyogi`` or ``fedadagrad``.
    weighting : Weighting
        By loans, exposure or equally.
    proximal_mu : float or None
        FedProx: weight of the squared distance from the incoming model.
    server_learning_rate, server_momentum : float or None
        FedAvgM.
    eta, tau : float or None
        FedAdam, FedYogi, FedAdagrad: server learning rate and adaptivity.
    beta_1, beta_2 : float or None
        FedAdam, FedYogi: decay of the moments.
    """

    name: str
    weighting: Weighting
    proximal_mu: float | None
    server_learning_rate: float | None
    server_momentum: float | None
    eta: float | None
    beta_1: float | None
    beta_2: float | None
    tau: float | None


@dataclass
class PrivacySpec:
    """What protects a release on its way; see ``docs/privacy.md``.

    Parameters
    ----------
    channel : str
        ``plain``: the server can read each bank's vector.
    """

    channel: str


@dataclass
class RuntimeSpec:
    """What carries the messages.

    Parameters
    ----------
    kind : RuntimeKind
        ``local`` or ``simulation``.
    torch_threads : int
        Threads of one bank's training; part of "same seed, same bits".
    num_cpus : float
        CPUs per bank process in ``simulation``.
    max_cpus : int
        CPUs of the engine in ``simulation``.
    """

    kind: RuntimeKind
    torch_threads: int
    num_cpus: float
    max_cpus: int


@dataclass
class TrackingSpec:
    """Who else gets a run's figures; user and password come from the environment alone.

    Parameters
    ----------
    kind : TrackingKind
        ``none``, ``mlflow`` or ``tensorboard``.
    uri : str or None
        MLflow's store: ``sqlite:///FILE`` from where the user stands, or a server's address.
    experiment : str
        The name that MLflow gathers runs under.
    required : bool
        Whether a run fails when its tracking does, instead of going on with a warning.
    timeout_s : float
        Seconds that a server may take to answer.
    """

    kind: TrackingKind
    uri: str | None
    experiment: str
    required: bool
    timeout_s: float


@dataclass
class ProfitSpec:
    """Profit at a cut-off, per loan and in the currency of the reader's choice.

    Parameters
    ----------
    gain_good : float
        Gain from an approved loan that is repaid.
    loss_bad : float
        Loss from an approved loan that defaults (a positive number).
    """

    gain_good: float
    loss_bad: float


@dataclass
class EvaluationSpec:
    """What is measured, and how often.

    Parameters
    ----------
    repeats : int
        Seeded splits; more than one gives intervals over splits.
    confidence : float
        Level of all intervals.
    min_bads : int
        A bank with fewer bad (or good) test loans is not assessable.
    histogram_bins : int
        Cells per class of the released score histogram.
    calibration_bins : int
        Groups of equal size in the calibration curve, the lift table and ECE.
    baselines : list of str
        What federation is compared with: ``local``, ``pooled``.
    profit : ProfitSpec
        Gain and loss per loan.
    """

    repeats: int
    confidence: float
    min_bads: int
    histogram_bins: int
    calibration_bins: int
    baselines: list[str]
    profit: ProfitSpec


@dataclass
class SimulationSpec:
    """Everything a run on one machine needs; composed by Hydra from ``conf/``.

    Parameters
    ----------
    seed : int
        Seed of splits, initial weights and batch order.
    run_dir : str
        Folder of the run.
    resume : str or None
        Folder of an interrupted run to go on with.
    progress : bool or None
        Progress bar; ``None`` shows one where there is a terminal.
    data, federation, preprocessing, model, strategy, privacy, runtime, tracking, evaluation
        See the classes.
    decision : DecisionSpec
        What the model's file says of decisions; never travels to a bank.
    """

    seed: int
    run_dir: str
    resume: str | None
    progress: bool | None
    data: DataSpec
    federation: FederationSpec
    preprocessing: PreprocessingSpec
    model: ModelSpec
    strategy: StrategySpec
    privacy: PrivacySpec
    runtime: RuntimeSpec
    tracking: TrackingSpec
    evaluation: EvaluationSpec
    decision: DecisionSpec
