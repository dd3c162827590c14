import subprocess
import sys

import pytest

from sepc.program import exit_status, one_line


def raising(error):
    def job():
        raise error

    return job


@pytest.mark.parametrize(
    ("job", "status", "told"),
    [
        (lambda: None, 0, ""),
        (raising(ValueError("expected this,\n got that")), 2, "error: expected this, got that\n"),
        (raising(FileNotFoundError(2, "No such file", "a.py")), 2, "error: a.py: No such file\n"),
        (raising(KeyError("also the user's")), 2, 'error: "also the user\'s"\n'),
        (raising(KeyboardInterrupt()), 130, "\nIt stopped.\n"),
    ],
)
def test_how_a_tool_ends(job, status, told, capsys):
    assert exit_status(job, KeyError, stopped="It stopped.") == status
    assert capsys.readouterr().err == told


def test_defects_keep_their_traceback():
    with pytest.raises(KeyError):
        exit_status(raising(KeyError("nobody expects it")))


def test_error_without_a_word():
    assert one_line(ValueError()) == "ValueError"


def test_a_name_that_cannot_be_encoded_is_printed_all_the_same():
    code = "from sepc.program import exit_status; exit_status(lambda: print('\\udcff'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\\udcff\n")
