"""Names that configuration may give to what other packages implement.

They stand here, below everything, so that a wrong name is refused before any work is done.
"""

from __future__ import annotations

# What banks are asked for by a run of each family of models.
FAMILY_TASKS: dict[str, tuple[str, ...]] = {
    "loan_risk": ("counts", "moments", "round", "evaluation", "monitor"),
    "logreg_exact": ("counts", "moments", "likelihood", "evaluation", "monitor"),
    "scorecard": ("cells", "products", "likelihood", "evaluation", "monitor"),
    "gbdt": ("cells", "trees", "evaluation", "monitor"),
    "tree": ("cells", "trees", "evaluation", "monitor"),
}
FAMILIES = tuple(FAMILY_TASKS)
# Families whose model follows from sums alone: nobody averages weights.
EXACT_FAMILIES = ("logreg_exact", "scorecard", "gbdt", "tree")
TREE_FAMILIES = ("gbdt", "tree")
TASKS = tuple(dict.fromkeys(task for tasks in FAMILY_TASKS.values() for task in tasks))
# Parameters of a model that a family needs, and no other may set.
MODEL_PARAMETERS: dict[str, tuple[str, ...]] = {
    "loan_risk": (
        "hidden",
        "dropout",
        "learning_rate",
        "weight_decay",
        "batch_size",
        "class_weighting",
    ),
    "logreg_exact": ("newton",),
    "scorecard": ("cuts", "binning", "selection", "newton", "points", "rating"),
    "gbdt": ("class_weighting", "cuts", "trees"),
    "tree": ("cuts", "trees"),
}
# Parameters that a strategy needs, and no other may set.
STRATEGY_PARAMETERS: dict[str, tuple[str, ...]] = {
    "fedavg": (),
    "fedprox": ("proximal_mu",),
    "fedavgm": ("server_learning_rate", "server_momentum"),
    "fedadam": ("eta", "beta_1", "beta_2", "tau"),
    "fedyogi": ("eta", "beta_1", "beta_2", "tau"),
    "fedadagrad": ("eta", "tau"),
}
STRATEGIES = tuple(STRATEGY_PARAMETERS)
CHANNELS = ("plain",)
BASELINES = ("local", "pooled")
# Signs that are awkward to write on a command line, by name.
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
