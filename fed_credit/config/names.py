"""Names that configuration may give to what other packages implement.

They stand here, below everything, so that a wrong name is refused before any work is done.
"""

from __future__ import annotations

FAMILIES = ("loan_risk",)
STRATEGIES = ("fedavg",)
CHANNELS = ("plain",)
BASELINES = ("local", "pooled")
