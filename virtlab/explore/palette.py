"""Which colours may a figure use? Named once here, for light and for dark pages.

Every colour has a contrast of at least 3 to 1 against its page and, under simulated protanopia,
deuteranopia and tritanopia, a CIELAB distance of at least 20 from the other modes' colours; the
tests compute both. Colour is never the only sign: a mode also has its own lane and its own name.

The style sheet follows the theme of JupyterLab (`data-jp-theme-light`) or of the site (`data-
theme`), and the reader's system where neither is set. Every figure carries it, so that a notebook
opened anywhere looks the same.

Sources: WCAG 2.2, success criterion 1.4.11 "Non-text Contrast"; Machado, Oliveira and Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency", 2009.
"""

from pathlib import Path

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "muted": "#59636e",
    "line": "#868f99",
    "shade": "#eef1f4",
    "mark": "#fff3bf",
    "alarm": "#b3261e",
    "M": "#9a3200",
    "S": "#08407e",
    "U": "#12988a",
    "VS": "#9a28c0",
    "VU": "#8f9000",
}

DARK = {
    "paper": "#111111",
    "ink": "#e8eaed",
    "muted": "#a8b0b8",
    "line": "#78818a",
    "shade": "#25292e",
    "mark": "#4d3f00",
    "alarm": "#ff8a80",
    "M": "#e0642f",
    "S": "#3f86d9",
    "U": "#57e6b0",
    "VS": "#f2b8ff",
    "VU": "#d2ea1e",
}

MODES = ("M", "S", "U", "VS", "VU")

MODE_NAMES = {
    "M": "machine (M)",
    "S": "supervisor (S)",
    "U": "user (U)",
    "VS": "virtual supervisor (VS)",
    "VU": "virtual user (VU)",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--vl-{name.lower()}:{value};" for name, value in colours.items())


def style() -> str:
    """The style sheet of all figures: the palette as CSS variables, then figure.css."""
    light, dark = _variables(LIGHT), _variables(DARK)
    rules = (Path(__file__).parent / "static" / "figure.css").read_text(encoding="utf-8")
    return (
        f".vl{{{light}}}"
        "@media (prefers-color-scheme:dark){"
        f":root:not([data-theme]) body:not([data-jp-theme-light]) .vl{{{dark}}}}}"
        f'[data-jp-theme-light="false"] .vl,html[data-theme="dark"] .vl{{{dark}}}'
        f"@media print{{.vl.vl{{{light}}}}}\n" + rules
    )
