"""A row of the comparison, and tables of rows."""
import dataclasses


@dataclasses.dataclass
class Row:
    """What one figure came to; `ratio` is better when larger, and `target` is what it should be at least."""
    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    target: float
    # From the 10th to the 90th percentile of the measurements, in the unit.
    ours_range: tuple[float, float] | None = None
    peer_range: tuple[float, float] | None = None

    @property
    def met(self):
        return self.ratio >= self.target

    def document(self):
        return {"name": self.name, "unit": self.unit, "ours": self.ours, "peer": self.peer,
                "peer_name": self.peer_name, "ratio": self.ratio, "target": self.target, "met": self.met}


def figure(value, extent=None):
    text = f"{value:.4g}"
    return f"{text} ({extent[0]:.3g} - {extent[1]:.3g})" if extent else text


def markdown(rows):
    lines = ["| figure | unit | ours | peer | who | ratio | target | |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row.name, row.unit, figure(row.ours, row.ours_range), figure(row.peer, row.peer_range), row.peer_name,
                 f"{row.ratio:.2f}", f"{row.target:g}", "met" if row.met else "missed"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
