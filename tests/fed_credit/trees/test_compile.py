from __future__ import annotations

from fed_credit.trees.compile import compiled


def test_a_function_that_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    # numba finds no folder for the machine code of a function that is in no file.
    space: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x\n", space)
    double = compiled(space["double"])  # type: ignore[type-var]
    assert double(21) == 42
    assert double.nopython_signatures
