"""Design tokens: one set of sizes and colours, from which the style sheet and the figure theme are made.

Page colours exist in a light and a dark scheme; figures stand on a light card and know one scheme only.
Colours carry meaning together with a symbol or a word, never alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

FONT_FAMILY = "Noto Sans CJK SC"

#: Sizes of type in rem (1 rem = 16 px), a scale of about 1.2.
TYPE: Mapping[str, float] = MappingProxyType({
    "tiny": 0.75, "small": 0.8125, "body": 1.0, "lead": 1.125, "h4": 1.0, "h3": 1.375, "h2": 2.0, "h1": 2.75,
    "figure": 1.75,
})  # fmt: skip

#: Distances in rem.
SPACE: Mapping[str, float] = MappingProxyType({
    "1": 0.25, "2": 0.5, "3": 0.75, "4": 1.0, "5": 1.5, "6": 2.5, "7": 4.0, "8": 6.0,
})  # fmt: skip

LIGHT: Mapping[str, str] = MappingProxyType({
    "paper": "#faf9f6", "surface": "#ffffff", "card": "#ffffff", "card-soft": "#566070",
    "card-line": "#e0ddd5", "ink": "#1a2330", "soft": "#566070",
    "line": "#e0ddd5", "shade": "#dcd7cc", "accent": "#1b4688", "accent-soft": "#eaf0f7",
    "good": "#176b41", "good-soft": "#e4f2ea", "watch": "#865800", "watch-soft": "#faf0d9",
    "bad": "#ab2219", "bad-soft": "#fbe9e6", "neutral": "#546070", "neutral-soft": "#edeff1",
})  # fmt: skip

DARK: Mapping[str, str] = MappingProxyType({
    "paper": "#12161c", "surface": "#1a2029", "card": "#f6f4ef", "card-soft": "#566070",
    "card-line": "#e0ddd5", "ink": "#e9e6df", "soft": "#a6b0bd",
    "line": "#303945", "shade": "#000000", "accent": "#92bdf0", "accent-soft": "#1c2b3e",
    "good": "#78d3a0", "good-soft": "#16301f", "watch": "#ecc06a", "watch-soft": "#33280f",
    "bad": "#ff9c92", "bad-soft": "#3c1c19", "neutral": "#aab4c0", "neutral-soft": "#252d37",
})  # fmt: skip

SEMANTIC = ("good", "watch", "bad", "neutral")


@dataclass(frozen=True)
class Mark:
    """How a status looks: its symbol and which of the four semantic colours it takes."""

    symbol: str
    color: str


#: Every status of a result; the words are ``status.<slug>``.
STATUS: Mapping[str, Mark] = MappingProxyType({
    "good": Mark("✓", "good"),
    "watch": Mark("!", "watch"),
    "bad": Mark("×", "bad"),
    "neutral": Mark("–", "neutral"),
    "unknown": Mark("?", "neutral"),
    "no_target": Mark("–", "neutral"),
    "too_small": Mark("<", "neutral"),
    "no_history": Mark("…", "neutral"),
    "fresh": Mark("✓", "good"),
    "stale": Mark("!", "watch"),
})  # fmt: skip

#: One colour per segment, type and stage, the same in every figure. Blues and greens buy, ambers ask for
#: attention, reds are at risk, greys are gone; lightness differs, so that colour-blind readers tell them apart.
SEGMENTS: Mapping[str, str] = MappingProxyType({
    # ten segments
    "champions": "#19346f",
    "loyal_customers": "#226abb",
    "potential_loyalists": "#96c1f0",
    "new_customers": "#1f5f67",
    "promising": "#69b895",
    "need_attention": "#f2d565",
    "about_to_sleep": "#de8b1a",
    "at_risk": "#be5526",
    "cant_lose_them": "#64112c",
    "lost": "#73858e",
    "others": "#d3dbde",
    # eight types: the four important ones full, the general ones as their tints
    "important_value": "#1b4688",
    "important_development": "#337c84",
    "important_retention": "#b57a0f",
    "important_winback": "#90261f",
    "general_value": "#8cb8e6",
    "general_development": "#a6e3e0",
    "general_retention": "#f4d584",
    "general_winback": "#d6a08a",
    # lifecycle stages
    "new": "#1f5f67",
    "growing": "#7cc0a4",
    "mature": "#1b4688",
    "declining": "#edc64a",
    "dormant": "#c96230",
    "prospect": "#d0dbe3",
    "non_buyer": "#d0dbe3",
    # tiers by rule of presets/schemes.yml: blues and greens buy, red is at risk, yellow is the rest to be looked at
    "retail_high_value": "#19346f", "retail_potential": "#226abb", "retail_ordinary": "#96c1f0",
    "retail_churn_risk": "#be5526", "retail_prospect": "#d0dbe3", "retail_unclassified": "#f2d565",
    "abc_a": "#19346f", "abc_b": "#226abb", "abc_c": "#96c1f0", "abc_prospect": "#d0dbe3",
    "abc_unclassified": "#f2d565",
    "grade_vip": "#19346f", "grade_gold": "#226abb", "grade_silver": "#96c1f0", "grade_bronze": "#1f5f67",
    "grade_standard": "#69b895", "grade_prospect": "#d0dbe3", "grade_unclassified": "#f2d565",
    "b2b_a": "#19346f", "b2b_b": "#226abb", "b2b_c": "#96c1f0", "b2b_unclassified": "#f2d565",
    "resource_core": "#19346f", "resource_target": "#226abb", "resource_lost": "#73858e",
    "resource_prospective": "#d0dbe3", "resource_rest": "#f2d565",
    "class_loyal": "#19346f", "class_won": "#226abb", "class_interested": "#69b895", "class_prospective": "#d0dbe3",
    "class_rest": "#f2d565",
    "member_diamond": "#19346f", "member_gold": "#226abb", "member_silver": "#96c1f0", "member_basic": "#69b895",
    "member_none": "#d0dbe3",
})  # fmt: skip

#: Colours for slugs that settings bring; also the order for series that have no segment.
CATEGORICAL = ("#1b4688", "#d58317", "#26707a", "#b4301a", "#8bbff2", "#6a1236", "#92dfba", "#7f929a")

#: From paper to deep blue (heat maps of amounts), and from wine over paper to blue (indices around a middle).
SEQUENTIAL = ("#f1f5fa", "#c3d6ec", "#7facdb", "#2f72bf", "#19346f")
DIVERGING = ("#8c2f3d", "#d58f83", "#f5f3ee", "#8db3d9", "#1b4688")


def segment_color(slug: str) -> str:
    """Return the colour of a segment, type, stage or tier as ``#rrggbb``: always the same for the same slug.

    >>> segment_color("champions"), segment_color("vip") == segment_color("vip")
    ('#19346f', True)
    """
    if slug in SEGMENTS:
        return SEGMENTS[slug]
    number = int.from_bytes(sha256(slug.encode("utf-8")).digest()[:4], "big")
    return CATEGORICAL[number % len(CATEGORICAL)]


def relative_luminance(color: str) -> float:
    """Return the relative luminance (0 black, 1 white) of ``#rrggbb`` as WCAG 2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (1 to 21); text needs 4.5.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    lighter, darker = sorted((relative_luminance(one), relative_luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(color: str) -> str:
    """Return the text colour, dark ink or white, that is read best on a background."""
    return max((LIGHT["ink"], "#ffffff"), key=lambda ink: contrast(ink, color))


def css_variables() -> str:
    """Return the tokens as CSS custom properties: light, and dark where the screen asks for it."""
    sizes = {f"type-{name}": f"{size:g}rem" for name, size in TYPE.items()}
    sizes |= {f"space-{name}": f"{size:g}rem" for name, size in SPACE.items()}
    light = _properties({"color-scheme": "light", "--font": f"{FONT_FAMILY!r}, sans-serif"}, sizes, LIGHT)
    dark = _properties({"color-scheme": "dark"}, {}, DARK)
    return f":root {{\n{light}}}\n@media screen and (prefers-color-scheme: dark) {{\n:root {{\n{dark}}}\n}}\n"


def _properties(plain: Mapping[str, str], *groups: Mapping[str, str]) -> str:
    lines = [f"  {name}: {value};\n" for name, value in plain.items()]
    lines += [f"  --{name}: {value};\n" for group in groups for name, value in group.items()]
    return "".join(lines)
