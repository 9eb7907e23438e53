"""MicroPython images: fetched once, checked, kept by their hash; without a network afterwards.

The pages that `refresh` reads are those of MicroPython's download site: `/download/<build>/` links
to `/resources/firmware/<build>-<date>-v<release>.bin`.
"""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from motekit import disk, places
from motekit.chips import CHIPS, Chip
from motekit.errors import MotekitError
from motekit.flash import merged
from motekit.flasher import manifest
from motekit.flasher.manifest import Entry, ManifestError

SITE = "https://micropython.org"
TIMEOUT_S = 30
FETCH_S = 900.0  # all of an image; a server may drip
_PAGE_MAX_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 16

Progress = Callable[[str, int, int], None]  # what, bytes done, bytes of all


class FetchError(MotekitError):
    """An image that could not be fetched, or that is not what it should be."""


def of_file(path: Path, chip: Chip) -> merged.Release:
    """Return the release in a local file; raise ImageError if the chip would not start it."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise FetchError(f"{path}: {e.strerror or e}") from e
    return merged.read(data, chip, str(path))


def of_release(
    chip: Chip, release: str | None, path: Path, progress: Progress | None = None
) -> tuple[Entry, merged.Release]:
    """Return a chip's image by release (None: the newest), from the cache or else the network."""
    entry = manifest.find(manifest.load(path), chip, release, path)
    data = kept(entry)
    if data is None:
        data = fetch(entry.url, entry.size, progress)
        _check(data, entry)
        _keep(_home(entry.sha256), data)
    return entry, merged.read(data, chip, entry.url)


def kept(entry: Entry) -> bytes | None:
    """Return an image that was fetched before, None if it is not here or not whole."""
    home = _home(entry.sha256)
    data = home.read_bytes() if home.is_file() else b""
    return data if hashlib.sha256(data).hexdigest() == entry.sha256 else None


def _home(digest: str) -> Path:
    return places.made() / "images" / f"{digest}.bin"


def refresh(
    path: Path, releases: Iterable[str], site: str = SITE, progress: Progress | None = None
) -> tuple[Entry, ...]:
    """Fetch and check the images of releases for all chips; add them to a manifest.

    A release that a chip does not have is left out; FetchError if no chip has it.
    """
    found: list[Entry] = []
    for release in releases:
        if not manifest.RELEASE.fullmatch(release):
            raise ManifestError(f"release: {release!r}, a number such as 1.28.0 expected")
        some = [
            entry for chip in CHIPS.values() if (entry := _seek(chip, release, site, progress))
        ]
        if not some:
            raise FetchError(f"{site}: no chip has a release {release}")
        found += some
    kept = manifest.load(path) if path.exists() else ()
    news = {(each.build, each.release) for each in found}
    kept = tuple(each for each in kept if (each.build, each.release) not in news)
    manifest.save(path, (*kept, *found))
    return tuple(found)


def _seek(chip: Chip, release: str, site: str, progress: Progress | None) -> Entry | None:
    """Fetch one chip's image of a release; None if its page has no link to it."""
    page_url = f"{site}/download/{chip.micropython}/"
    page = fetch(page_url).decode("utf-8", "replace")
    link = (
        rf'href="([^"]*/{chip.micropython}-\d{{8}}-v{re.escape(release)}(?:\.g[0-9a-f]+)?\.bin)"'
    )
    links = sorted(re.findall(link, page))
    if not links:
        return None
    url = urllib.parse.urljoin(page_url, links[-1])
    _check_secure(page_url, url)
    data = fetch(url, progress=progress)
    merged.read(data, chip, url)
    digest = hashlib.sha256(data).hexdigest()
    _keep(_home(digest), data)
    return Entry(chip.micropython, release, url, len(data), digest)


def fetch(url: str, size: int | None = None, progress: Progress | None = None) -> bytes:
    """Return what lies at a URL; FetchError for anything but the whole of it."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(
            f"{url}: http:// or https:// expected; `motekit flash --image FILE` takes a local one"
        )
    limit = size or (manifest.SIZE_MAX_BYTES if url.endswith(".bin") else _PAGE_MAX_BYTES)
    found = bytearray()
    end = time.monotonic() + FETCH_S
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or size or 0)
            _check_secure(url, answer.url)
            while chunk := answer.read1(_CHUNK_BYTES):
                found += chunk
                if time.monotonic() > end:
                    raise FetchError(f"{url}: {len(found):,} bytes in {FETCH_S:.0f} s; try again")
                if len(found) > limit:
                    raise FetchError(f"{url}: more than {limit:,} bytes")
                if progress:
                    progress(url, len(found), total)
    except urllib.error.HTTPError as e:
        raise FetchError(f"{url}: the server says {e.code} {e.reason}") from e
    except (OSError, ValueError, http.client.HTTPException) as e:
        why = str(e).strip() or type(e).__name__
        raise FetchError(
            f"{url}: cannot be fetched ({why}); `motekit flash --image FILE` takes a local one"
        ) from e
    if total and len(found) != total:
        raise FetchError(f"{url}: ended after {len(found):,} of {total:,} bytes; try again")
    return bytes(found)


def _check_secure(asked: str, answered: str) -> None:
    """Raise FetchError where a server, or a page, leads from https:// to where anybody can be."""
    if asked.startswith("https:") and not answered.startswith("https:"):
        raise FetchError(f"{asked}: leads to {answered}, https:// expected")


def _check(data: bytes, entry: Entry) -> None:
    """Raise FetchError unless the bytes are those of the manifest."""
    got = hashlib.sha256(data).hexdigest()
    if len(data) != entry.size or got != entry.sha256:
        raise FetchError(
            f"{entry.url}: {len(data):,} bytes, SHA-256 {got[:16]}...; the manifest expects"
            f" {entry.size:,} bytes, {entry.sha256[:16]}...: not what was verified, not used"
        )


def _keep(home: Path, data: bytes) -> None:
    with disk.writing(home.parent, "remove what is in it: it can be fetched again"):
        disk.replace(home, data)
