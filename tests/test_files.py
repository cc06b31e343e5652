import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.files import check_source, check_space, check_target, part_beside, whole_file, write_arrays, write_text


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "grün\n")
    with whole_file(target) as part:
        part.write_text("new")
        assert target.read_bytes() == "grün\n".encode()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_as_they_were(tmp_path: Path, compressed: bool) -> None:
    target = tmp_path / "folder" / "a.npz"
    write_arrays(target, compressed, numbers=np.arange(6).reshape(2, 3), names=np.array(["AH", "B"], "U4"))
    with np.load(target, allow_pickle=False) as found:
        assert found["numbers"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found["names"].tolist() == ["AH", "B"]
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(target, compressed, numbers=np.array([{}]))
    with np.load(target, allow_pickle=False) as found:
        assert set(found) == {"numbers", "names"}


KILLED = """
import os, signal, sys
from pathlib import Path
from vasa_core.files import whole_file
with whole_file(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_parts_of_killed_runs_go_and_others_stay(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.txt")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.txt.")
    process = left.name.split(".")[-2].split("-")[1]
    elsewhere = left.with_name(left.name.replace(left.name.split(".")[-2].split("-")[0], "00000000"))
    running = left.with_name(left.name.replace(f"-{process}-", f"-{os.getppid()}-"))
    others = [elsewhere, running, tmp_path / ".b.part", tmp_path / ".c.12.part"]
    for path in others:
        path.touch()
    write_text(tmp_path / "b.txt", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "b.txt"])


LEFT_BY_A_SIGNAL = """
import sys
from pathlib import Path
from vasa_core.files import part_beside
part_beside(Path(sys.argv[1])).touch()
raise SystemExit(143)
"""


def test_a_part_whose_writer_was_cut_short_goes_at_the_process_end(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEFT_BY_A_SIGNAL, str(tmp_path / "a.txt")], check=False)
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_do_not_share_a_part(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as one, whole_file(tmp_path / "a") as two:
        one.write_text("1")
        two.write_text("2")
    assert (tmp_path / "a").read_text() == "1"  # the outer one is renamed last
    assert len(part_beside(tmp_path / ("ü" * 120)).name.encode()) <= 255


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / ("x" * 300), "cannot be opened"),
        (tmp_path / "a\0b", "does not exist"),
    ):
        with pytest.raises(InputError, match=f"{why}.*; expected a photo.$") as caught:
            check_source(path, "a photo")
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", ["itself", "path", "symbolic link", "hard link", "source is a link"])
def test_an_output_that_is_an_input_is_refused(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_text("precious")
    if kind == "itself":
        target = source
    elif kind == "path":
        (tmp_path / "folder").mkdir()
        target = tmp_path / "folder" / ".." / "in.mp4"
    elif kind == "symbolic link":
        target.symlink_to(source)
    elif kind == "hard link":
        target.hardlink_to(source)
    else:
        source.rename(target)
        source.symlink_to(target)
    with pytest.raises(InputError, match="is the output and an input as well"):
        check_target(target, ".mp4", tmp_path / "other.wav", source)
    assert source.read_text() == "precious"


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for path, why in (
        (tmp_path / "out.avi", "a name that ends in .mp4"),
        (tmp_path / "none" / "out.mp4", "an existing folder"),
        (tmp_path / "folder.mp4", "a path where one may be written"),
        (tmp_path / ("x" * 300 + ".mp4"), "at most 255 bytes"),
        (tmp_path / "a\0b.mp4", "at most 255 bytes"),
        (Path("/proc/out.mp4"), "a writable folder"),
    ):
        with pytest.raises(InputError, match=f"expected .*{why}") as caught:
            check_target(path, ".mp4")
        assert len(str(caught.value)) < 300
    check_target(tmp_path / "out.MP4", ".mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


def test_a_disk_with_too_little_room_is_refused(tmp_path: Path) -> None:
    check_space(tmp_path, 1.0)
    with pytest.raises(InputError, match="of free space; expected about 1000000000000 MB"):
        check_space(tmp_path, 1e18)
