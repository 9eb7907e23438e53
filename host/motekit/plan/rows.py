"""Rows of a CSV file as the [[device]] entries of a plan.

    fleet,id,name,site,board,broker,samples,latency_ms,sensors,ssid,password_env,password_file

An empty cell is no key. `sensors` are drivers with blanks between, each with @BUS behind it where
it is not the board's first of its kind: `sht4x pms5003@uart1`. Commas or semicolons part cells.
"""

import csv
import io
from pathlib import Path

from motekit.errors import MotekitError
from motekit.fields import Fields, nearest

_PLAIN = ("fleet", "id", "name", "site", "board", "broker")
_NUMBERS = ("samples", "latency_ms")
_WIFI = ("ssid", "password", "password_env", "password_file")
COLUMNS = (*_PLAIN, *_NUMBERS, "sensors", *_WIFI)


def read(path: Path, error: type[MotekitError], data: bytes | None = None) -> list[Fields]:
    """Return a table for each row that is not blank; an error names file, row and column.

    `data`: what is read as if it stood there.
    """
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
    except OSError as e:
        raise error(f"{path}: cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise error(f"{path}: is no UTF-8 text; spreadsheets save it as 'CSV UTF-8'") from None
    header = text.partition("\n")[0]
    delimiter = ";" if ";" in header and "," not in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[Fields] = []
    try:
        columns: list[str] | None = None
        for cells in reader:
            if columns is None:
                columns = _columns(path, cells, error)
                continue
            where = f"{path}: row {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise error(f"{where}: {len(cells)} cells, {len(columns)} columns expected")
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
            found.append(Fields(where, _entry(where, row, error), error))
    except csv.Error as e:
        raise error(f"{path}: row {reader.line_num}: {e}") from None
    return found


def _columns(path: Path, cells: list[str], error: type[MotekitError]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if name not in COLUMNS:
            raise error(f"{path}: row 1: column {name!r} is unknown; {nearest(name, COLUMNS)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise error(f"{path}: row 1: column {twice[0]} is there twice")
    return names


def _entry(where: str, row: dict[str, str], error: type[MotekitError]) -> dict[str, object]:
    """Return a row in the shape that a [[device]] has."""
    entry: dict[str, object] = {key: row[key] for key in _PLAIN if row.get(key)}
    packet = {key: _number(where, key, row[key], error) for key in _NUMBERS if row.get(key)}
    if packet:
        entry["packet"] = packet
    if row.get("sensors"):
        entry["sensor"] = [_sensor(word) for word in row["sensors"].split()]
    network = {key: row[key] for key in _WIFI if row.get(key)}
    if network:
        entry["wifi"] = [network]
    return entry


def _number(where: str, key: str, text: str, error: type[MotekitError]) -> int:
    if not (text.isascii() and text.isdigit()):
        raise error(f"{where}: {key}: {text!r} is not an integer")
    return int(text)


def _sensor(word: str) -> dict[str, object]:
    driver, _, bus = word.partition("@")
    return {"driver": driver, "bus": bus} if bus else {"driver": driver}
