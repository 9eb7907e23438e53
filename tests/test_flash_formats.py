"""What lies in flash: images, partition table, file system; each damage is noticed and said."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from motekit import board
from motekit.chips import CHIPS
from motekit.flash import filesystem, image, partitions

SEGMENTS = st.lists(
    st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=100)), min_size=1, max_size=16
)


@given(st.sampled_from(sorted(CHIPS)), st.integers(0, 0xFFFFFFFF), SEGMENTS, st.binary(max_size=9))
def test_an_image_comes_back(chip, entry, segments, before):
    made = image.build(chip, entry, segments)
    found = image.read(before + made + b"\xff" * 7, len(before))
    assert (found.chip, found.entry, found.size, found.hashed) == (chip, entry, len(made), True)
    assert found.segments == tuple((address, len(data)) for address, data in segments)


@given(st.data())
def test_a_damaged_image_is_refused(data):
    made = bytearray(image.build("esp32c3", 1, [(2, b"abcdefg" * 9), (3, b"")]))
    at = data.draw(st.integers(0, len(made) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    if at == image.HASH_AT:  # says that no hash follows: then there is no further check
        assert not image.read(bytes(made)).hashed
        return
    with pytest.raises(image.ImageError, match=r"^image: "):
        image.read(bytes(made))


@given(st.integers(0, 200))
def test_a_truncated_image_is_refused(size):
    made = image.build("esp32", 1, [(2, bytes(range(100))), (3, b"x" * 50)])
    assert len(made) > 200
    with pytest.raises(image.ImageError, match=r"ends|truncated|damaged"):
        image.read(made[:size])


def test_a_page_of_the_web_is_no_image():
    with pytest.raises(image.ImageError, match=r"^x\.bin: begins with 0x3c, not 0xe9"):
        image.read(b"<!DOCTYPE html><title>404</title>", where="x.bin")


@pytest.mark.parametrize("name", board.names())
def test_a_boards_table_comes_back(name):
    entries = partitions.of_board(board.load(name))
    made = partitions.build(entries)
    assert len(made) == partitions.TABLE_BYTES
    assert partitions.read(made) == entries
    assert entries[0].offset == partitions.TABLE_OFFSET + 0x1000
    for before, after in pairwise(entries):
        assert before.offset + before.size <= after.offset
    assert partitions.find(entries, "vfs").subtype == 0x81
    assert partitions.find(entries, "nose") is None


@given(st.data())
def test_a_damaged_table_is_refused(data):
    entries = partitions.of_board(board.load("esp32-s3-devkitc-1"))
    made = bytearray(partitions.build(entries))
    at = data.draw(st.integers(0, 32 * (len(entries) + 1) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(partitions.TableError, match=r"^partition table: "):
        partitions.read(bytes(made))


@given(st.binary(max_size=200))
@example(b"\xeb\xeb")  # an MD5 of nothing
def test_what_is_no_table_is_refused(data):
    with pytest.raises(partitions.TableError, match="blank or damaged"):
        partitions.read(data + b"\xff" * 3000)


NAMES = st.lists(st.from_regex(r"/(lib/)?[a-z]{1,8}\.py", fullmatch=True), max_size=6, unique=True)


@given(NAMES, st.binary(max_size=9000))
def test_files_come_back(names, content):
    files = {name: content[i:] for i, name in enumerate(names)}
    made = filesystem.build(files, 0x2_0000)
    assert len(made) == 0x2_0000
    assert filesystem.read(made) == files


def test_what_does_not_fit_is_said():
    with pytest.raises(filesystem.FilesystemError, match=r"^/a: 1 files of 200,000 bytes do not"):
        filesystem.build({"/a": bytes(200_000)}, 0x1_0000)


@pytest.mark.parametrize("blank", [b"\xff", b"\x00", b"ab"])
def test_what_is_no_file_system_is_refused(blank):
    with pytest.raises(filesystem.FilesystemError, match="no littlefs that mounts"):
        filesystem.read((blank * 0x1_0000)[:0x1_0000])
