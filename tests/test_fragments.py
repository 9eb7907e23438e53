"""Single files out of a littlefs that littlefs itself does not mount any more."""

import random

import pytest

from motekit.flash import filesystem
from motekit.rescue import fragments

SIZE = 64 * 4096
CHANCE = random.Random(3)
FILES = {
    "/small.txt": b"inline",
    "/notes/large.bin": CHANCE.randbytes(50_000),
    "/notes/deep/small.txt": b"also inline",
    "/notes/deep/block.bin": CHANCE.randbytes(4096),
    "/table.csv": CHANCE.randbytes(9_000),
    **{f"/many/{i:03}.txt": bytes([i]) * 40 for i in range(120)},
}


@pytest.fixture(scope="module")
def image():
    return filesystem.build(FILES, SIZE)


def torn(image, *blocks):
    data = bytearray(image)
    for at in blocks:
        data[at * 4096 : (at + 1) * 4096] = b"\xff" * 4096
    return bytes(data)


def test_of_a_whole_file_system_all_files_are_read(image):
    assert fragments.of_image(image) == FILES


def test_without_its_root_files_keep_the_names_that_their_folders_tell(image):
    found = fragments.of_image(torn(image, 0, 1))
    held = {path.split("/", 3)[3]: data for path, data in found.items()}
    assert all(path.startswith(fragments.NOWHERE) for path in found)
    assert held == {
        path.rpartition("/")[2] if "deep" not in path else "deep/" + path.rpartition("/")[2]: data
        for path, data in FILES.items()
        if path.count("/") > 1
    }


def test_files_that_were_changed_and_removed_are_as_they_were_last(tmp_path):
    system = filesystem._littlefs(SIZE, filesystem.build(FILES, SIZE))
    for text in (b"one", b"two" * 500, b"three"):
        with system.open("/notes/changed", "wb") as file:
            file.write(text)
    system.remove("/many/007.txt")
    system.rename("/table.csv", "/notes/table.csv")
    image = bytes(system.context.buffer)
    wanted = filesystem.read(image)
    assert fragments.of_image(image) == wanted
    assert wanted["/notes/changed"] == b"three"


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_ends_in_anything_but_files(image, seed):
    chance = random.Random(seed)
    data = bytearray(image)
    for _ in range(chance.choice((1, 10, 1000))):
        data[chance.randrange(len(data) if seed % 2 else 8192)] = chance.randrange(256)
    for path, held in fragments.of_image(bytes(data)).items():
        assert path.startswith("/")
        assert isinstance(held, bytes)
    assert fragments.of_image(chance.randbytes(8192)) == {}
