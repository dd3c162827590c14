import signal

import pytest

from sepc.study import RunsFailed, exit_status


def raising(error):
    def job():
        raise error

    return job


@pytest.mark.parametrize(
    ("job", "status", "told"),
    [
        (lambda: None, 0, ""),
        (raising(ValueError("expected this, got that")), 1, "error: expected this, got that"),
        (raising(RunsFailed("1 of 2")), 1, "error: 1 of 2"),
        (raising(KeyboardInterrupt()), 130, "The same command goes on"),
        (lambda: signal.raise_signal(signal.SIGTERM), 130, "The same command goes on"),
    ],
)
def test_how_it_ends(job, status, told, capsys):
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert exit_status(job) == status
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told in capsys.readouterr().err


def test_what_nobody_expected_is_not_hidden():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ZeroDivisionError):
            exit_status(lambda: 1 / 0)
    finally:
        signal.signal(signal.SIGTERM, before)
