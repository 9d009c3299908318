"""Trees from sums beside Flower's ``FedXgbBagging``: ``python -m benchmarks.bagging``.

Both grow from the same banks, splits, columns, depth, rate and rounds, and both keep the round with
the least loss on all banks' validation loans. Ours are trained on the pooled loans, which gives the
federated trees bit for bit. Bagging runs Flower's own strategy; each bank adds a tree of its own in
every round, and the trees are added up, not averaged. So it runs twice: at our learning rate, and
at that rate divided by the number of banks. ``min_child_loans`` is ours alone.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

import numpy as np
import xgboost
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedXgbBagging

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import EvaluationSpec, SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset
from fed_credit.data.split import assign_parts
from fed_credit.evaluation.metrics import auc
from fed_credit.evaluation.paired import is_assessable
from fed_credit.families.at_hand import LoansAtHand
from fed_credit.families.boosted import fit_trees
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.alone import Loans
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.state import ExactState

OURS, BAGGING, SLOWER = "trees from sums", "FedXgbBagging", "FedXgbBagging, rate / banks"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train over several seeded splits and print the AUCs and their paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a file in the SBAnational layout; else synthetic loans")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="of the configuration, as federation.x=y")
    options = parser.parse_args(arguments)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    source = ["data=sba", f"data.path={options.data}"] if options.data else ["data=synthetic"]
    # An out-of-time cut has the same test loans for every seed.
    spec = compose([*source, "model=gbdt", "data.split.kind=random", *options.overrides])
    dataset = load_dataset(
        spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed
    )
    print(f"{len(dataset):,} loans, {len(dataset.names)} banks, {options.seeds} splits")
    found = [_compare(spec, dataset, number) for number in range(options.seeds)]
    for k, measure in enumerate(("AUC of all test loans", "mean of the banks' AUC")):
        values = {name: np.array([one[name][k] for one in found]) for name in found[0]}
        print(measure)
        for name, own in values.items():
            ahead = values[OURS] - own
            error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.nan
            print(f"  {name:<28}{own.mean():.4f}  ours ahead {ahead.mean():+.4f} ± {error:.4f}")


def _compare(spec: SimulationSpec, dataset: Dataset, number: int) -> dict[str, tuple[float, float]]:
    seed = spec.seed if number == 0 else keyed_seed(spec.seed, "repeat", number)
    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, seed)
    run = RunSpec.of(spec, dataset.schema, dataset.fields, seed)
    train, validation = (
        Loans(dataset.features.iloc[rows], dataset.y[rows])
        for rows in (np.flatnonzero(parts == part) for part in (Part.TRAIN, Part.VALIDATION))
    )
    model = fit_trees(LoansAtHand(run, train, validation), run, ExactState(), lambda: None)
    x = model.made_of.matrix(dataset.features)
    scores = {OURS: model.ensemble.default_probability(x)}
    for name, divisor in ((BAGGING, 1), (SLOWER, len(dataset.names))):
        scores[name] = _bagged(spec, dataset, parts, x, divisor)
    return {name: _aucs(dataset, parts, pd, spec.evaluation) for name, pd in scores.items()}


def _bagged(
    spec: SimulationSpec, dataset: Dataset, parts: np.ndarray, x: np.ndarray, divisor: int
) -> np.ndarray:
    """Return the PDs of the best round of Flower's strategy over the banks with training loans."""
    bins, trees = spec.model.boosting[0].max_bins, spec.model.boosting[1]
    params = {"objective": "binary:logistic", "tree_method": "hist", "max_bin": bins, "nthread": 1}
    params |= {"max_depth": trees.max_depth, "eta": trees.learning_rate / divisor}
    params |= {"lambda": trees.l2, "gamma": trees.min_gain}
    params["min_child_weight"] = trees.min_child_weight
    # One start for all banks: the strategy would keep the first bank's own.
    params["base_score"] = float(dataset.y[parts == Part.TRAIN].mean())
    banks, held = _by_bank(dataset, parts, Part.TRAIN), parts == Part.VALIDATION
    books = {
        node: xgboost.DMatrix(x[rows], dataset.y[rows], nthread=1)
        for node, rows in enumerate(banks, start=2)
        if len(rows)
    }
    judges = xgboost.DMatrix(x[held], dataset.y[held], nthread=1)
    best: tuple[float, bytes] = (np.inf, b"")
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        book = books[context.node_id]
        sent = message.content["arrays"]["0"].numpy().tobytes()
        booster = xgboost.Booster(params, [book], model_file=bytearray(sent) if sent else None)
        before = booster.num_boosted_rounds()
        booster.update(book, before)
        raw = np.frombuffer(booster[before : before + 1].save_raw("json"), np.uint8)
        metrics = MetricRecord({"num-examples": book.num_row()})
        reply = RecordDict({"arrays": ArrayRecord([raw]), "metrics": metrics})
        return Message(reply, reply_to=message)

    def judge(number: int, arrays: ArrayRecord) -> None:
        nonlocal best
        if number:
            raw = arrays["0"].numpy().tobytes()
            booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(raw))
            p = np.clip(booster.predict(judges), 1e-7, 1 - 1e-7).astype(np.float64)
            loss = -float(np.log(np.where(judges.get_label() == 1, p, 1 - p)).mean())
            best = min(best, (loss, raw))

    FedXgbBagging(fraction_train=1.0, fraction_evaluate=0.0).start(
        InProcessGrid(app, {node: {} for node in books}),
        ArrayRecord([np.frombuffer(b"", np.uint8)]),
        num_rounds=spec.federation.num_rounds,
        evaluate_fn=judge,
    )
    booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(best[1]))
    return booster.predict(xgboost.DMatrix(x, nthread=1)).astype(np.float64)


def _aucs(
    dataset: Dataset, parts: np.ndarray, p: np.ndarray, spec: EvaluationSpec
) -> tuple[float, float]:
    """Return the AUC of all test loans, and the mean over banks with enough of them."""
    banks, test = _by_bank(dataset, parts, Part.TEST), parts == Part.TEST
    own = [auc(dataset.y[of], p[of]) for of in banks if is_assessable(dataset.y[of], spec)]
    return auc(dataset.y[test], p[test]), float(np.mean(own))


def _by_bank(dataset: Dataset, parts: np.ndarray, part: Part) -> list[np.ndarray]:
    rows = [dataset.rows(k) for k in range(len(dataset.names))]
    return [own.start + np.flatnonzero(parts[own] == part) for own in rows]


if __name__ == "__main__":
    main()
