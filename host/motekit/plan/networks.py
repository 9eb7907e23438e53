"""The Wi-Fi networks of a plan: where their passwords come from, and that nobody sees them.

[[wifi]]
ssid = "site"
password_env = "SITE_WIFI"      # or password_file = "wifi.txt", its first line
                                # or password = "...", "" for an open network
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from motekit.fields import Fields
from motekit.networks import NETWORKS_MAX, Network, password_flaw, ssid_flaw, unset_variable

_SOURCES = ("password", "password_env", "password_file")


def read(fields: Fields, folder: Path) -> tuple[tuple[Network, ...], list[str]]:
    """Return the networks of a table's "wifi", and what its author should know."""
    listed = fields.get("wifi")
    if listed is None:
        return (), []
    # not by `tables`: its errors show what they got
    if not isinstance(listed, list) or not all(
        isinstance(each, Mapping) for each in cast("list[object]", listed)
    ):
        raise fields.fail("wifi", "is no list of networks; [[wifi]] expected")
    entries = fields.tables("wifi")
    if len(entries) > NETWORKS_MAX:
        raise fields.fail("wifi", f"{len(entries)} networks, at most {NETWORKS_MAX} expected")
    found: list[Network] = []
    warnings: list[str] = []
    for entry in entries:
        ssid = _ssid(entry)
        if ssid in {each.ssid for each in found}:
            raise entry.fail("ssid", f"{ssid!r} is listed already")
        password, warning = _password(entry, folder)
        found.append(Network(ssid, password))
        warnings += [warning] if warning else []
        entry.done()
    return tuple(found), warnings


def _ssid(entry: Fields) -> str:
    ssid = entry.text("ssid")
    if flaw := ssid_flaw(ssid):
        raise entry.fail("ssid", flaw)
    return ssid


def _password(entry: Fields, folder: Path) -> tuple[str, str]:
    """Return the password, and a warning about how it is kept, "" if there is none."""
    named = [source for source in _SOURCES if source in entry]
    if len(named) != 1:
        got = " and ".join(named) or "no password"
        raise entry.error(
            f'{entry.where}: {got}, one of {", ".join(_SOURCES)} expected (password = "": open)'
        )
    (source,) = named
    value = entry.get(source)
    if not isinstance(value, str) or (not value and source != "password"):
        raise entry.fail(source, "is no text")
    warning = ""
    if source == "password_env":
        password = os.environ.get(value, "")
        if not password:
            raise entry.fail(source, unset_variable(value))
    elif source == "password_file":
        password, warning = _of_file(entry, folder / value)
    else:
        password = value
        if password:
            warning = (
                f"{entry.at(source)}: this file is a secret now, chmod 600 it; password_env keeps"
                " the password out"
            )
    if flaw := password_flaw(password):
        raise entry.fail(source, flaw)
    return password, warning


def _of_file(entry: Fields, path: Path) -> tuple[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or "no UTF-8 text"
        raise entry.fail("password_file", f"{path}: cannot be read: {why}") from None
    if not lines or not lines[0]:
        raise entry.fail("password_file", f"{path}: its first line is empty")
    others = os.name == "posix" and mode & 0o077
    return lines[0], f"{path}: can be read by others; chmod 600 {path}" if others else ""
