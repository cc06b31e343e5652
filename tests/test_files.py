from pathlib import Path

import numpy as np
import pytest

from vasa_core.files import whole_file, write_arrays, write_text


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
