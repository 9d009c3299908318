"""From Arrow to pandas, so that a value does not depend on the rows it is read with."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

# Whole numbers beside a gap would become floating point, and long identifiers lose digits.
_NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def to_frame(batch: pa.RecordBatch, names: list[str]) -> pd.DataFrame:
    """Return a batch as a frame with other column names.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        ``(n, n_columns)``.
    names : list of str
        Names of its columns.

    Returns
    -------
    pandas.DataFrame
        ``(n, n_columns)``: nullable whole numbers and booleans, floating point, ``str``,
        ``datetime64``, category, or Python objects for types that pandas does not have.
    """
    frame: pd.DataFrame = batch.to_pandas(
        types_mapper=_NULLABLE.get, ignore_metadata=True, date_as_object=False
    )
    return frame.set_axis(names, axis=1)
