"""MicroPython images: fetched from a server of our own, checked, kept; every wrong one refused."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from motekit import board, places
from motekit.chips import CHIPS
from motekit.flash import filesystem, image, merged, partitions
from motekit.flash.image import ImageError
from motekit.flasher import images, manifest
from motekit.flasher.images import FetchError
from motekit.flasher.manifest import ManifestError

C3 = CHIPS["esp32c3"]


def release_of(chip):
    boot = image.build(chip.name, 0x4000_0000, [(0x3FFF_0000, b"boot" * 500)])
    app = image.build(chip.name, 0x4008_0000, [(0x3F40_0000, bytes(range(256)) * 400)])
    return merged.build(chip, boot, app)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "made", lambda: tmp_path / "made")
    return tmp_path / "made" / "images"


@pytest.fixture
def site():
    """Serve `pages`, by path; a page may be (status, body, headers)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, body, headers = self.server.pages.get(self.path, (404, b"gone", {}))
            self.send_response(status)
            for name, value in ({"Content-Length": len(body)} | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.pages, server.asked = {}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        for chip in CHIPS.values():
            name = f"{chip.micropython}-20260901-v1.28.0.bin"
            page = f'<a href="/resources/firmware/{name}">.bin</a>'.encode()
            server.pages[f"/download/{chip.micropython}/"] = (200, page, {})
            server.pages[f"/resources/firmware/{name}"] = (200, release_of(chip), {})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def c3_path(site):
    return next(p for p in site.pages if p.startswith("/resources/firmware/ESP32_GENERIC_C3"))


def test_refresh_makes_a_manifest_and_the_cache_does_without_a_network(site, tmp_path):
    path = tmp_path / "project" / "images.json"
    made = images.refresh(path, ["1.28.0"], site.url)
    assert {each.build for each in made} == {chip.micropython for chip in CHIPS.values()}
    assert manifest.load(path) == tuple(sorted(made, key=lambda each: each.build))
    site.asked.clear()
    entry, found = images.of_release(C3, None, path)
    assert (entry.release, found.chip, site.asked) == ("1.28.0", C3, [])


def test_a_pinned_manifest_fetches_what_it_says_once(site, tmp_path, cache):
    path = tmp_path / "images.json"
    images.refresh(path, ["1.28.0"], site.url)
    for each in cache.iterdir():
        each.unlink()
    site.asked.clear()
    told = []
    images.of_release(C3, "1.28.0", path, lambda *args: told.append(args))
    images.of_release(C3, "1.28.0", path)
    assert site.asked == [c3_path(site)]
    assert told[-1][1] == told[-1][2] == len(release_of(C3))


def test_a_damaged_cache_is_fetched_again(site, tmp_path, cache):
    path = tmp_path / "images.json"
    images.refresh(path, ["1.28.0"], site.url)
    for each in cache.iterdir():
        each.write_bytes(each.read_bytes()[:-1])
    assert images.of_release(C3, "1.28.0", path)[1].chip == C3


def changed(data):
    return (200, data[:-1] + bytes([data[-1] ^ 1]), {})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda data: (404, b"<html>no</html>", {}), "the server says 404"),
        (lambda data: (500, data, {}), "the server says 500"),
        (lambda data: (200, data[:1000], {}), "not what was verified, not used"),
        (lambda data: (200, data[:1000], {"Content-Length": len(data)}), "cannot be|ended after"),
        (lambda data: (200, data + b"more", {}), "more than"),
        (changed, "not what was verified, not used"),
        (lambda data: (200, b"<html>", {}), "not what was verified, not used"),
    ],
)
def test_what_is_not_the_image_is_never_kept(site, tmp_path, cache, answer, says):
    path = tmp_path / "images.json"
    images.refresh(path, ["1.28.0"], site.url)
    for each in cache.iterdir():
        each.unlink()
    site.pages[c3_path(site)] = answer(release_of(C3))
    with pytest.raises(FetchError, match=says):
        images.of_release(C3, "1.28.0", path)
    assert not list(cache.iterdir())


def test_refresh_adds_nothing_when_an_image_is_wrong(site, tmp_path):
    path = tmp_path / "images.json"
    site.pages[c3_path(site)] = (200, release_of(CHIPS["esp32"]), {})
    with pytest.raises(ImageError, match="is for an esp32, the board has an esp32c3"):
        images.refresh(path, ["1.28.0"], site.url)
    assert not path.exists()
    with pytest.raises(FetchError, match=r"no chip has a release 1\.99\.0"):
        images.refresh(path, ["1.99.0"], site.url)
    with pytest.raises(ManifestError, match="a number such as"):
        images.refresh(path, ["latest"], site.url)


def test_no_server_and_no_such_release_say_what_to_try(tmp_path):
    path = tmp_path / "images.json"
    with pytest.raises(ManifestError, match=r"images\.json: No such file.*firmware refresh"):
        images.of_release(C3, None, path)
    entry = manifest.Entry("ESP32_GENERIC", "1.27.0", "http://127.0.0.1:9/x.bin", 10, "0" * 64)
    manifest.save(path, (entry,))
    with pytest.raises(ManifestError, match=r"no ESP32_GENERIC_C3 1\.28\.0, it has: none"):
        images.of_release(C3, "1.28.0", path)
    with pytest.raises(FetchError, match=r"cannot be fetched.*--image"):
        images.of_release(CHIPS["esp32"], None, path)
    with pytest.raises(FetchError, match="http:// or https:// expected"):
        images.fetch("file:///etc/passwd")


@pytest.fixture
def odd():
    """Return a function that serves one answer, byte by byte as it is, and returns its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(answer):
            def run():
                line, _ = server.accept()
                with line:
                    line.recv(4096)
                    line.sendall(answer)

            threading.Thread(target=run, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/x.bin"

        yield serve


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"",
    ],
)
def test_a_server_that_speaks_no_http_is_named(odd, answer):
    with pytest.raises(FetchError, match=r"127\.0\.0\.1"):
        images.fetch(odd(answer))


def test_no_wait_for_a_server_is_without_end(odd, monkeypatch):
    monkeypatch.setattr(images, "FETCH_S", -1.0)
    with pytest.raises(FetchError, match="2 bytes in -1 s; try again"):
        images.fetch(odd(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"))


def test_nothing_leads_from_a_safe_place_to_an_unsafe_one():
    for led in ("http://a/x.bin", "ftp://a/x.bin"):
        with pytest.raises(FetchError, match="https:// expected"):
            images._check_secure("https://a/", led)
    images._check_secure("http://a/", "http://b/x.bin")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", "no manifest of version 1"),
        ('{"version": 2, "images": []}', "no manifest of version 1"),
        ('{"version": 1, "images": [3]}', r"images\[0\]: 3"),
        ('{"version": 1, "images": [{"build": "../x"}]}', r"images\[0\]\.build: '\.\./x'"),
    ],
)
def test_a_manifest_is_not_trusted(tmp_path, text, says):
    path = tmp_path / "images.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=says):
        manifest.load(path)


def test_the_newest_release_is_taken():
    names = ["1.9.4", "1.28.0", "1.28.0-preview.20", "1.27.1"]
    assert sorted(names, key=manifest.order) == ["1.9.4", "1.27.1", "1.28.0-preview.20", "1.28.0"]


@pytest.mark.parametrize("name", board.names())
def test_regions_are_what_the_chip_boots(name):
    each = board.load(name)
    release = merged.read(release_of(each.chip), each.chip)
    files = {"/main.py": b"print(1)", "/lib/motefw/app.mpy": bytes(5000)}
    flash = bytearray(b"\xff" * each.flash_bytes)
    for region in merged.regions(each, release, files):
        assert flash[region.offset : region.offset + len(region.data)].strip(b"\xff") == b""
        flash[region.offset : region.offset + len(region.data)] = region.data
    image.read(bytes(flash), each.chip.bootloader_offset)
    entries = partitions.read(bytes(flash[partitions.TABLE_OFFSET :][: partitions.TABLE_BYTES]))
    assert image.read(bytes(flash), 0x1_0000).chip == each.chip.name
    vfs = partitions.find(entries, "vfs")
    assert filesystem.read(bytes(flash[vfs.offset : vfs.offset + vfs.size])) == files


def test_a_program_that_is_too_long_is_refused():
    each = board.load("esp32-c3-devkitm-1")
    release = merged.read(release_of(each.chip), each.chip)
    long = merged.Release(each.chip, release.bootloader, bytes(0x20_0000))
    with pytest.raises(ImageError, match="program has 2,097,152 bytes, partition factory"):
        merged.regions(each, long, {})


def test_a_local_file_is_checked_too(tmp_path):
    path = tmp_path / "mine.bin"
    with pytest.raises(FetchError, match=r"mine\.bin: No such file"):
        images.of_file(path, C3)
    path.write_bytes(release_of(C3))
    assert images.of_file(path, C3).chip == C3
    with pytest.raises(ImageError, match="is for an esp32c3, the board has an esp32s3"):
        images.of_file(path, CHIPS["esp32s3"])
