"""Which MicroPython a board gets: a release of the manifest, or a local image."""

from collections.abc import Callable
from pathlib import Path

from motekit.board import Board
from motekit.cli import say
from motekit.errors import UsageError
from motekit.flash.merged import Release
from motekit.flasher import images, manifest


def chosen(
    release: str | None, image: Path | None, pinned: Path | None
) -> Callable[[Board], Release]:
    """Return what tells the image of a board; UsageError for options that exclude each other."""
    if image and (release or pinned):
        raise UsageError("--image or --release with its manifest, not both")

    def of(board: Board) -> Release:
        if image:
            return images.of_file(image, board.chip)
        path = pinned or manifest.default_path()
        entry, found = images.of_release(board.chip, release, path, tell_fetch)
        say.err(f"MicroPython {entry.release} for {entry.build}")
        return found

    return of


def tell_fetch(what: str, done: int, total: int) -> None:
    """Say that an image is fetched, once, at its end."""
    if done == total:
        say.err(f"fetched {what}, {total:,} bytes")
