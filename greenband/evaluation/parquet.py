"""Results as one long Parquet table, a figure a row with its seed; ``docs/results.md`` explains the columns."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from greenband.errors import BadInput
from greenband.evaluation.results import Result, SubjectResult
from greenband.files import write_bytes

__all__ = ["check_parquet", "rows", "write_parquet"]

TYPES = {"demand": "float64", "seed": "int64", "value": "float64"}  # the others are strings
COLUMNS = (
    *("scenario", "period", "demand", "sensing", "incident", "subject", "seed"),
    *("level", "signal", "id", "metric", "value"),
)


def rows(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """All figures of all seeds, by ``COLUMNS``; what is no number is None."""
    for result in results:
        setting = {
            "scenario": result.scenario,
            "period": result.period,
            "demand": result.demand,
            "sensing": result.sensing,
            "incident": result.incident,
        }
        for subject in result.subjects:
            for place, per_seed in _places(subject):
                for metric, values in per_seed.items():
                    for seed, value in zip(result.seeds, values, strict=True):
                        figure = {"metric": metric, "value": None if math.isnan(value) else value}
                        yield {**setting, "subject": subject.name, "seed": seed, **place, **figure}


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        BadInput: its library is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise BadInput("--parquet needs pyarrow: pip install 'greenband[parquet]'")


def write_parquet(results: Sequence[Result], path: Path) -> None:
    """Write the table in one step; versions stand in the file's metadata."""
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    versions = {"greenband": results[0].greenband, "sumo": results[0].sumo}
    fields = [pa.field(name, pa.type_for_alias(TYPES.get(name, "string"))) for name in COLUMNS]
    table = pa.Table.from_pylist(list(rows(results)), pa.schema(fields, metadata=versions))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_bytes(path, buffer.getvalue())


def _places(subject: SubjectResult) -> Iterator[tuple[dict[str, Any], Mapping[str, Sequence[float]]]]:
    yield {"level": "network", "signal": None, "id": None}, subject.per_seed
    for place in subject.places:
        yield {"level": place.level, "signal": place.signal or None, "id": place.id}, place.per_seed
