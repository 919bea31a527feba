"""A picture whose file was damaged or lost has it again after it was drawn again, if it comes out the same."""

import pytest

LINE = ("generate", "a boat, 3d render", "--steps", 3, "--seed", 5, "--upscaler", "none")


@pytest.mark.parametrize("harm", ["damaged", "lost"])
def test_reproduce_gives_a_picture_its_file_again(harm, commands):
    made = commands.ok(*LINE, "--json").json[0]
    (path,) = commands.store.with_suffix(".files").glob("??/??/*.png")
    content = path.read_bytes()
    if harm == "damaged":
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    else:
        path.unlink()
    found = commands("verify", "--json")
    assert found.code == 1
    assert "aldente reproduce" in found.json["damage"][0]["advice"]
    assert commands("generate", *LINE[1:], "--json").code != 0
    done = commands.ok("reproduce", made["id"], "--json").json
    assert done["verdict"] == "bit-exact"
    assert "the store has the file again" in done["why"][1]
    assert path.read_bytes() == content
    assert "all whole" in commands.ok("verify").out
    assert commands.ok(*LINE, "--json").json[0]["reused"]


def test_another_picture_does_not_take_the_place_of_a_lost_one(commands):
    made = commands.ok(*LINE, "--json").json[0]
    (path,) = commands.store.with_suffix(".files").glob("??/??/*.png")
    path.unlink()
    import sqlite3

    with sqlite3.connect(commands.store) as database:
        database.execute("UPDATE images SET image_hash = ?", ("0" * 64,))
    database.close()
    done = commands("reproduce", made["id"], "--json")
    assert done.code == 1
    assert done.json["verdict"] == "different"
    assert "another picture comes out now" in done.json["why"][1]
