"""Answers of a reader to many inputs: done, told in one line, or a fault."""

import os
import random
from collections.abc import Callable
from typing import Any

TRIES = int(os.environ.get("FUZZ_TRIES", "40"))


def check(
    read: Callable[[Any], object], make: Callable[[random.Random], Any], *, tries: int = TRIES
) -> None:
    """Give a reader inputs of ``make`` from a seed.

    Each has to be read, or refused by an error that programs tell in one line; some of each.
    """
    rng = random.Random(0)
    refused, faults = 0, []
    for index in range(tries):
        given = make(rng)
        try:
            read(given)
        except (ValueError, OSError):
            refused += 1
        except Exception as error:
            told = f"{type(error).__name__}: {str(error)[:150]}"
            faults.append(f"number {index}, {str(given)[:200]!r}: {told}")
    assert not faults, f"{len(faults)} of {tries}:\n" + "\n".join(faults[:20])
    assert refused, f"none of {tries} inputs was refused: are they damaged?"
