"""The figures as a table for a terminal, and as bars in an SVG."""

from __future__ import annotations

from html import escape

COLOURS = {"weft": "#2f6f4f", "nginx": "#8d99ae", "haproxy": "#b08968", "envoy": "#a34a5e"}


def table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    def line(cells: list[str]) -> str:
        return "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))).rstrip()
    return "\n".join([line(head), line(["-" * w for w in widths]), *(line(row) for row in rows)])


def bars(panels: list[dict]) -> str:
    """Each panel: title, unit, and bars of (name, value). One scale a panel, zero at the left."""
    width, label, bar, gap, head = 760, 190, 20, 6, 40
    parts, y = [], 54
    for panel in panels:
        top = max(value for _, value in panel["bars"])
        parts.append(f'<text x="16" y="{y}" class="title">{escape(panel["title"])}</text>'
                     f'<text x="{width - 16}" y="{y}" class="unit" text-anchor="end">{escape(panel["unit"])}</text>')
        y += 12
        for name, value in panel["bars"]:
            length = max(1.0, (width - label - 110) * value / top)
            colour = COLOURS.get(name.split("/")[0].split(" ")[0], "#888888")
            parts.append(f'<text x="{label - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
                         f'<rect x="{label}" y="{y}" width="{length:.1f}" height="{bar}" fill="{colour}"/>'
                         f'<text x="{label + length + 6:.1f}" y="{y + 15}">{value:.1f}</text>')
            y += bar + gap
        y += head
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" '
            'font-family="sans-serif" font-size="13">'
            '<style>.title{font-weight:bold;font-size:15px}.unit{fill:#666}text{fill:#222}</style>'
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>'
            '<text x="16" y="26" font-size="17" font-weight="bold">CPU and memory of the proxies (less is better)</text>'
            + "".join(parts) + "</svg>\n")
