"""Names that configuration may give to what other packages implement.

They stand here, below everything, so that a wrong name is refused before any work is done.
"""

from __future__ import annotations

FAMILIES = ("loan_risk",)
TASKS = ("counts", "moments", "round", "evaluation")
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
