"""How the input is divided into shards, and what makes two jobs the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strijdtaal import __version__
from strijdtaal.batch.inputs import Input
from strijdtaal.batch.job_folder import JobFolder
from strijdtaal.batch.options import Options
from strijdtaal.batch.rows import Fault, Row, locate
from strijdtaal.batch.survey import open_reader
from strijdtaal.errors import DataError, UsageError

KIND = "strijdtaal scoring job"
SCHEMA = 1
SHOWN = 10  # faults in one message

Segment = tuple[int, int, int, int, int]  # number of the file, byte offset, row, line, records


def job_document(bundle: dict[str, Any], prints: Sequence[dict[str, Any]], options: Options) -> dict[str, Any]:
    """The content of ``job.json``: everything that the output depends on."""
    settings = options.as_dict()
    del settings["on_error"]  # rows of finished shards do not depend on it
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "strijdtaal": __version__,
        "bundle": bundle,
        "options": settings,
        "inputs": list(prints),
    }


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        inside = [_differences(old.get(key), new.get(key), f"{name}.{key}".strip(".")) for key in {**old, **new}]
        return [one for some in inside for one in some]
    if name == "inputs" and isinstance(old, list) and isinstance(new, list):
        before, after = ({item.get("name"): item for item in some} for some in (old, new))
        if list(before) != list(after):
            gone, added = [one for one in before if one not in after], [one for one in after if one not in before]
            changes = [f"no longer {one}" for one in gone[:3]] + [f"now also {one}" for one in added[:3]]
            return ["  inputs: " + ("; ".join(changes) or "in another order")]
        return [one for key in before for one in _differences(before[key], after[key], f"input {key}")][:SHOWN]
    return [] if old == new else [f"  {name}: was {_short(old)}, is {_short(new)}"]


def _short(value: Any) -> str:
    text = "not given" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def check_same(old: Any, new: dict[str, Any], where: JobFolder) -> None:
    """A job goes on only with the same bundle, input and options.

    Raises:
        UsageError: something differs; all of it is named.
    """
    if not isinstance(old, dict) or old.get("kind") != KIND:
        raise UsageError(f"{where.job} was written by something else. Choose another folder.")
    if differences := _differences(old, new):
        shown = "\n".join(differences)
        raise UsageError(
            f"{where.out} holds another job:\n{shown}\nChoose another folder, or start this one as it was started."
        )


def shards_of(surveys: Sequence[dict[str, Any]], shard_rows: int) -> list[list[Segment]]:
    """Segments in the order of the input, put together up to ``shard_rows`` records."""
    shards: list[list[Segment]] = []
    room = 0
    for number, found in enumerate(surveys):
        for offset, row, line, records in found["segments"]:
            if records > room:
                shards.append([])
                room = shard_rows
            shards[-1].append((number, offset, row, line, records))
            room -= records
    return shards


def check_ids(inputs: Sequence[Input], surveys: Sequence[dict[str, Any]], options: Options) -> bool:
    """Whether rows have ids: all files, or none.

    Raises:
        DataError: some have, others have not.
    """
    pairs = list(zip(inputs, surveys, strict=True))
    with_ids = [item.name for item, found in pairs if found["has_id"]]
    without = [item.name for item, found in pairs if found["records"] and not found["has_id"]]
    if with_ids and without:
        raise DataError(
            f"{with_ids[0]} has ids (column {options.id_column!r}) and {without[0]} has none. Give both an id, rename "
            "the column, or score them apart."
        )
    return bool(with_ids)


def check_faults(surveys: Sequence[dict[str, Any]], options: Options) -> None:
    """Raises DataError: no usable row; or, unless they are to be skipped, rows with faults, the first ones named."""
    records, bad = (sum(found[name] for found in surveys) for name in ("records", "bad"))
    faults = [fault for found in surveys for fault in found["faults"]][:SHOWN]
    if bad and (options.on_error == "stop" or bad == records):
        more = f"\n  and {bad - len(faults):,} more" if bad > len(faults) else ""
        shown = "\n  ".join(faults)
        advice = "Repair them, or score the others with --on-error skip" if bad < records else "No row can be scored"
        raise DataError(
            f"{bad:,} of {records:,} rows cannot be scored:\n  {shown}{more}\n{advice}. Nothing was scored."
        )
    if not records:
        raise DataError("The input holds no rows. Give a file with at least one.")


def read_at(inputs: Sequence[Input], surveys: Sequence[dict[str, Any]], options: Options, file: int, row: int) -> Row:
    """One row of a file, read again. Raises DataError: it is not there any more."""
    from strijdtaal.batch.rows import Mark

    segment = max((one for one in surveys[file]["segments"] if one[1] <= row), key=lambda one: one[1])
    reader = open_reader(inputs[file], options)
    try:
        reader.go(Mark(*segment[:3]))
        for record in reader.records():
            if record.row == row and not isinstance(record, Fault):
                return record
    finally:
        reader.close()
    raise DataError(f"{inputs[file].name} changed while it was read. Start again.")


def check_duplicates(
    found: Sequence[tuple[int, int, int, int]],
    inputs: Sequence[Input],
    surveys: Sequence[dict[str, Any]],
    options: Options,
) -> dict[str, dict[str, str]]:
    """File number -> row -> where its id stands first, for the rows to reject.

    Raises:
        DataError: there are any, and they are not to be skipped; id and both rows are named.
    """
    result: dict[str, dict[str, str]] = {}
    lines = []
    for number, (file, row, first_file, first_row) in enumerate(found):
        form = inputs[first_file].form
        first = locate(inputs[first_file].name, "parquet" if form in ("csv", "tsv") else form, first_row, first_row)
        result.setdefault(str(file), {})[str(row)] = first
        if number < SHOWN and options.on_error == "stop":
            again, before = (read_at(inputs, surveys, options, *at) for at in ((file, row), (first_file, first_row)))
            where = locate(inputs[file].name, inputs[file].form, again.row, again.line)
            first = locate(inputs[first_file].name, form, before.row, before.line)
            lines.append(f"  {where}: id {again.id!r} stands already at {first}.")
    if lines:
        more = f"\n  and {len(found) - len(lines):,} more" if len(found) > len(lines) else ""
        shown = "\n".join(lines)
        raise DataError(
            f"{len(found):,} rows have an id that stands twice:\n{shown}{more}\nMake ids unique, name another column "
            "with --id, or keep the first of each with --on-error skip. Nothing was scored."
        )
    return result
