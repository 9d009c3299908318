"""``fed-credit model``: a model's file, which holds all that a decision needs."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.subcommands import dispatch, lazily


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``model`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "show": (
            "what a model is, what it is worth and how it decides",
            lazily("model_show", "run_show"),
        ),
        "card": (
            "its model card, in English or Chinese, as text or as a page",
            lazily("model_card", "run_card"),
        ),
        "verify": (
            "whether a file is whole, and who stands for it; what was changed",
            lazily("model_sign", "run_verify"),
        ),
        "sign": ("stand for a file with your key", lazily("model_sign", "run_sign")),
        "keygen": ("make the key pair to sign with", lazily("model_sign", "run_keygen")),
        "edit": (
            "set your own cut-offs and policy, in a new file",
            lazily("model_edit", "run_edit"),
        ),
        "recalibrate": (
            "fit the PDs to your own labelled loans, in a new file",
            lazily("model_edit", "run_recalibrate"),
        ),
        "export": (
            "the scoring function as ONNX, checked for equality",
            lazily("model_export", "run_export"),
        ),
    }
    return dispatch("model", subcommands, arguments)
