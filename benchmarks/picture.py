"""A bar chart as SVG, by hand: two panels of bars need no library. Light or dark as its reader's page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES, BAR, GAP, TITLE = 760, 250, 70, 22, 8, 34
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
  .ours { fill: #07853f } .other { fill: #8c959f }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #2fbf71 } .other { fill: #6e7681 } }
"""

Panel = tuple[str, Sequence[tuple[str, float, bool]]]


def bars(panels: Sequence[Panel]) -> str:
    """Each panel has a title and bars: label, value, whether it is one of ours."""
    drawn: list[str] = []
    top = 0
    for title, values in panels:
        drawn.append(f'<text class="title" x="0" y="{top + 20}">{escape(title)}</text>')
        top += TITLE
        longest = max((value for _, value, _ in values), default=1)
        for label, value, ours in values:
            drawn.append(_bar(top, label, value, value / longest, "ours" if ours else "other"))
            top += BAR + GAP
        top += GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style>", *drawn, "</svg>", ""])


def _bar(top: int, label: str, value: float, share: float, kind: str) -> str:
    length = share * (WIDTH - LABELS - VALUES)
    middle = top + BAR - 6
    return (
        f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="{kind}" x="{LABELS}" y="{top}" width="{length:.0f}" height="{BAR}" rx="2"/>'
        f'<text x="{LABELS + length + 6:.0f}" y="{middle}">{value:,.0f}</text>'
    )
