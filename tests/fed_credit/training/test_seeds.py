from __future__ import annotations

from itertools import product

import numpy as np

from fed_credit.training.seeds import keyed_seed


def test_seeds_are_the_same_on_every_machine_and_in_every_version():
    assert keyed_seed(7, "batches", "Bank A", 3) == 4191206874506206150
    assert keyed_seed(7, "initial weights") == 8014568310131678052
    assert keyed_seed(7, "batches", "北京银行", 3) == 6190249261283819182


def test_seeds_fit_numpy_and_torch_and_differ_by_every_key():
    keys = list(product((0, 7, -1, 2**80), ("a", "b", "1", 1, "", "a,b"), (1, 2, "2")))
    keys += [(7, "a"), (7, "a", 1, 2), (7, "ab"), (7, '"a", "b"')]
    seeds = [keyed_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Bits look drawn: no key shortens the range.
    assert 0.4 < np.mean([seed / 2**63 for seed in seeds]) < 0.6
