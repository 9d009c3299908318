"""Where a SuperLink's runs lie, what their folders hold, and who is expected to take part."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fed_credit.errors import ConfigurationError

# The start script sets it.
RUNS_VARIABLE = "FED_CREDIT_RUNS"
RESULTS, MODEL, SCHEMA, MODEL_FILE = "results.json", "model", "schema.yaml", "model.fcm"
SUMS = "sums.json"
"""What a monitor over banks leaves."""
PULL_SECONDS = 0.1  # each pull is a request to the SuperLink and its database


def runs_folder() -> Path:
    """Return the folder of all runs."""
    return Path(os.environ.get(RUNS_VARIABLE, "runs"))


def expected_banks(text: str) -> dict[str, str] | None:
    """Read who is expected: digest of the public key by name; None for whoever is connected.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    try:
        return {str(name): str(key) for name, key in json.loads(text or "{}").items()} or None
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            "The run's setting 'banks' must be JSON with a digest of the public key by name; leave"
            " it to fed-credit deploy run."
        ) from None
