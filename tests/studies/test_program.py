import signal

import pytest

from studies import RunsFailed, exit_status


def raising(error):
    def job():
        raise error

    return job


def test_a_second_signal_does_not_disturb_the_end():
    ended = []

    def job():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            ended.append("in order")

    before = signal.getsignal(signal.SIGTERM)
    assert exit_status(job) == 130
    assert ended == ["in order"]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("job", "status", "told"),
    [
        (lambda: None, 0, ""),
        (raising(ValueError("expected this, got that")), 2, "error: expected this, got that"),
        (raising(RunsFailed("1 of 2")), 2, "error: 1 of 2"),
        (raising(KeyboardInterrupt()), 130, "The same command goes on"),
        (lambda: signal.raise_signal(signal.SIGTERM), 130, "The same command goes on"),
    ],
)
def test_how_it_ends(job, status, told, capsys):
    assert exit_status(job) == status
    assert told in capsys.readouterr().err


def test_what_nobody_expected_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 / 0)
