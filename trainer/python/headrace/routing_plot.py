"""The picture of a routing analysis as one SVG: shares by domain and expert in the first, middle and last layer, distances, preference by depth."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence
from xml.sax.saxutils import escape

import numpy as np

_CELL = 22
_LEFT = 110
_TOP = 46
_INK = "#222"


def plot(found: Dict[str, Any]) -> str:
    """The SVG of what `routing.analyse` found. The same analysis gives the same text."""
    shares = np.array(found["loads"], dtype=float) / np.array(found["tokens"], dtype=float)[:, None, None]
    names, layers = found["domains"], shares.shape[1]
    fair = found["select"] / found["experts"]
    parts: List[str] = []
    y = _TOP
    for layer in sorted({0, layers // 2, layers - 1}):
        title = f"layer {layer + 1} of {layers}: share of a domain's tokens by expert (even: {fair:.2f})"
        parts += _grid(0, y, title, names, shares[:, layer] / max(fair, 1e-12) / 2, shares[:, layer])
        y += len(names) * _CELL + _TOP
    last = np.array(found["distances"]["last"])
    parts += _grid(
        0,
        y,
        "last layer: distance between domains (0: routed alike)",
        names,
        last / max(float(last.max()), 1e-12),
        last,
    )
    y += len(names) * _CELL + _TOP
    parts += _line(y, found["variance"])
    width = _LEFT + _CELL * max(found["experts"], len(names), 16) + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 190}" font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _grid(x: int, y: int, title: str, names: Sequence[str], shade: np.ndarray, values: np.ndarray) -> List[str]:
    """A title, and a row of cells a domain: `shade` from 0 (white) to 1 (dark), the value as a tooltip."""
    parts = [f'<text x="{x + 8}" y="{y - 12}" font-weight="600">{escape(title)}</text>']
    for row, name in enumerate(names):
        top = y + row * _CELL
        parts.append(f'<text x="{x + _LEFT - 6}" y="{top + 15}" text-anchor="end">{escape(name)}</text>')
        for column, value in enumerate(values[row]):
            # A light blue to a dark one, which also differ in grey.
            depth = float(np.clip(shade[row, column], 0, 1))
            red, green, blue = (round(a + (b - a) * depth) for a, b in ((247, 8), (251, 48), (255, 107)))
            parts.append(
                f'<rect x="{x + _LEFT + column * _CELL}" y="{top}" width="{_CELL - 1}" height="{_CELL - 1}" fill="rgb({red},{green},{blue})">'
                f"<title>{escape(name)}, {column + 1}: {value:.3f}</title></rect>"
            )
    return parts


def _line(y: int, values: Sequence[float]) -> List[str]:
    """Preference by depth."""
    height, width = 120, 16 * _CELL
    most = max(max(values), 1e-12)
    step = width / max(1, len(values) - 1)
    points = [(_LEFT + i * step, y + height - value / most * height) for i, value in enumerate(values)]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    return [
        f'<text x="8" y="{y - 12}" font-weight="600">preference of domains by depth (variance of shares, summed over experts)</text>',
        f'<path d="M{_LEFT} {y}V{y + height}H{_LEFT + width}" fill="none" stroke="{_INK}"/>',
        f'<text x="{_LEFT - 6}" y="{y + 10}" text-anchor="end">{most:.1e}</text><text x="{_LEFT - 6}" y="{y + height}" text-anchor="end">0</text>',
        f'<text x="{_LEFT}" y="{y + height + 18}">layer 1</text><text x="{_LEFT + width}" y="{y + height + 18}" text-anchor="end">{len(values)}</text>',
        f'<polyline points="{path}" fill="none" stroke="rgb(8,48,107)" stroke-width="2"/>',
        *(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="rgb(8,48,107)"/>' for px, py in points),
    ]
