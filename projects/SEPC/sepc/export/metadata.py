"""Texts that an exported file carries, such as the names of the classes."""

import csv
import io
from collections.abc import Mapping, Sequence

#: Changes when a reader of older files would go wrong.
FORMAT_VERSION = 1


def join_names(names: Sequence[str]) -> str:
    """Names in one line with commas between them; one that has a comma itself is quoted, as in csv.

    Raises:
        ValueError: for a name with a line break.
    """
    if any("\n" in name or "\r" in name for name in names):
        raise ValueError(f"expected names of one line, got {list(names)}")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def split_names(text: str) -> list[str]:
    """Names from such a line: the reverse of :func:`join_names`."""
    return next(csv.reader([text]), [])


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Check that this reader knows the version of a file.

    Raises:
        ValueError: if the file is of a newer version than this reader knows.
    """
    version = metadata.get("format_version", str(FORMAT_VERSION))
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"expected a file of format version {FORMAT_VERSION} or older, got {version}"
        )
