"""Report of a conversion: what became of each weight."""

from collections import Counter
from dataclasses import dataclass, field

MAX_NAMED = 10


@dataclass
class Report:
    """Account of a conversion.

    Attributes:
        mapped: new name by old name.
        dropped: why, by the old name of a weight that is not needed.
        filled: new names of what the checkpoint lacks and has only one possible value.
        left_over: old names that the model has no place for.
        missing: names of the model that the checkpoint has nothing for.
        other_shapes: what is wrong, by the new name of a weight whose shape is not the model's.
        notes: what else should be known.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    filled: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    other_shapes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise an error if the conversion is not complete.

        Raises:
            ValueError: if something is left over on either side, or has another shape.
        """
        problems = [f"{text}: {some(items)}" for text, items in self.problems()]
        if problems:
            raise ValueError(
                "the checkpoint does not fit the config "
                f"({len(self.mapped)} weights do): " + "; ".join(problems)
            )

    def __str__(self) -> str:
        """Lines to print: numbers by part of the detector, and all that was not just renamed."""
        parts = Counter(_part(name) for name in self.mapped.values())
        counts = ", ".join(f"{name} {number}" for name, number in parts.items())
        lines = [f"mapped {len(self.mapped)} weights: {counts}"]
        lines += [f"left out {name}: {why}" for name, why in self.dropped.items()]
        if self.filled:
            lines.append(f"set to zero, not in the checkpoint: {some(self.filled)}")
        for text, items in self.problems():
            lines += [f"{text} ({len(items)}):", *(f"  {item}" for item in items)]
        return "\n".join(lines + self.notes)

    def problems(self) -> list[tuple[str, list[str]]]:
        """Kinds of weights that don't fit, and which; none if the conversion is complete."""
        problems = [
            ("in the checkpoint only", self.left_over),
            ("in the model only", self.missing),
            ("of other shapes", list(self.other_shapes.values())),
        ]
        return [(text, items) for text, items in problems if items]


def some(items: list[str], separator: str = ", ") -> str:
    """Join the first items, and the number of those left out; "none" without items."""
    more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
    return separator.join(items[:MAX_NAMED]) + more or "none"


def _part(name: str) -> str:
    for prefix, part in (
        ("backbone.bottom_up.", "backbone"),
        ("backbone.", "FPN"),
        ("neck.1.", "trunk"),
        ("neck.", "FPN"),
        ("head.trunk.", "trunk"),
    ):
        if name.startswith(prefix):
            return part
    return "predictors" if "head." in name else "backbone"
