"""Writing files whole, clearing what a kill left, and keeping a folder to one process."""

import errno
import os
import subprocess
import sys

import pytest

from sepc.files import atomic_write, lock_folder, remove_partial_files

HOLD = """
import sys
from sepc.files import lock_folder
lock_folder(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_full_disk_names_the_file_and_keeps_the_one_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="No space left") as error, atomic_write(path) as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_error_of_the_partial_name_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_write(tmp_path / "a.txt"):
        pass  # nothing is written
    assert error.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(NotADirectoryError) as error, atomic_write("/dev/null/x/a.txt"):
        pass
    assert "partial" not in str(error.value)


def test_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_write(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()
    assert error.value.filename == str(tmp_path / "other")


def test_partial_files_of_dead_processes_go(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".partial-{dead.pid}-model.pth", f".partial-{os.getpid()}-model.pth"]
    kept = [f".partial-{os.getppid()}-model.pth", ".partial-x-model.pth", "partial-1-model.pth"]
    for name in names + kept:
        (tmp_path / name).touch()
    assert remove_partial_files(tmp_path) == sorted(names)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_folder_is_locked_while_a_process_lives(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(OSError, match=rf"another training \(process {holder.pid}\) writes to"):
        lock_folder(tmp_path)
    holder.kill()
    holder.communicate()
    lock_folder(tmp_path)
    lock_folder(tmp_path)  # its own
