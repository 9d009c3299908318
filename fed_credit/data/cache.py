"""Loading equal data once per process: the jobs of a sweep mostly differ in other things.

Launchers that run jobs in processes of their own keep these, so each of them loads once too; being
in memory, nothing has to be kept from half-written files or from other jobs.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path

from fed_credit.config.convert import plain
from fed_credit.config.spec import DataSpec, PartitionKind
from fed_credit.data.book import Dataset
from fed_credit.data.load import load_dataset
from fed_credit.files import local_path

_MOST_BYTES = 1 << 30
_MOST_SETS = 8
_kept: OrderedDict[str, tuple[Dataset, int]] = OrderedDict()


def cached_dataset(
    spec: DataSpec, *, num_institutions: int | None, schema_dir: Path, seed: int
) -> Dataset:
    """Return what :func:`fed_credit.data.load.load_dataset` does, from memory where it can.

    Parameters
    ----------
    spec, num_institutions, schema_dir, seed
        As there.

    Returns
    -------
    Dataset
        Not to be changed: others may hold it. Least recently used ones are let go beyond 8 of them
        or 1 GiB.

    Raises
    ------
    FedCreditError
        As there.
    """
    key = _key(spec, num_institutions, schema_dir, seed)
    if key is not None and key in _kept:
        _kept.move_to_end(key)
        return _kept[key][0]
    dataset = load_dataset(
        spec, num_institutions=num_institutions, schema_dir=schema_dir, seed=seed
    )
    if key is not None:
        _keep(key, dataset)
    return dataset


def _keep(key: str, dataset: Dataset) -> None:
    arrays = (dataset.y, dataset.exposure, dataset.firm, dataset.decided)
    size = int(dataset.features.memory_usage(deep=True).sum())
    # Identifiers are texts: some 60 bytes each.
    size += sum(array.nbytes for array in arrays) + 60 * len(dataset)
    if size > _MOST_BYTES:
        return
    _kept[key] = (dataset, size)
    while len(_kept) > _MOST_SETS or sum(each for _, each in _kept.values()) > _MOST_BYTES:
        _kept.popitem(last=False)


def _key(spec: DataSpec, num_institutions: int | None, schema_dir: Path, seed: int) -> str | None:
    """Return a digest of all that the loans depend on; None where that cannot be known."""
    sources = [spec.url, *(each.source.url for each in spec.institutions)]
    if any(url is not None for url in sources):
        return None  # a database may answer otherwise the next time
    asked = plain(spec)
    del asked["split"]  # comes later
    paths = [spec.path, spec.schema, *(each.source.path for each in spec.institutions)]
    paths.append(str(schema_dir / f"{spec.schema}.yaml"))
    try:
        files = [_stamp(local_path(path)) for path in paths if path]
    except OSError:
        return None
    drawn = spec.partition.kind is not PartitionKind.NATURAL
    what = [asked, num_institutions, seed if drawn else None, files, str(Path.cwd())]
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def _stamp(path: Path) -> list[object]:
    """Tell a file's state; what is no file, as a packaged schema's name, stands for itself."""
    if not path.is_file():
        return [str(path)]
    seen = path.stat()
    return [str(path.resolve()), seen.st_size, seen.st_mtime_ns, seen.st_ino]


def clear() -> None:
    """Let go of all data sets."""
    _kept.clear()
