"""Three looks: dark, light and high contrast. Drawings name a style; what it is follows from the theme."""

from typing import Final

from rich.style import Style
from textual.app import App
from textual.theme import Theme

DARK: Final = "desk-dark"
LIGHT: Final = "desk-light"
CONTRAST: Final = "desk-contrast"

_COLOURS: Final[dict[str, dict[str, str]]] = {
    DARK: {
        "ground": "#0f141b",
        "text": "#d5dae3",
        "strong": "bold #f2f5fa",
        "dim": "#8791a1",
        "axis": "#667082",
        "good": "#63c174",
        "warn": "#e2b04a",
        "bad": "bold #ff6b63",
        "bad-line": "#ff6b63",
        "bid": "#4dbd8a",
        "ask": "#f0787f",
        "bid-bar": "#2a6e52",
        "ask-bar": "#8a4247",
        "ours": "bold #ffd866",
        "mid": "#d5dae3",
        "curve": "#5fa8f5",
        "curve2": "#c792ea",
        "curve3": "#56c8d8",
        "curve4": "#e2b04a",
        "head": "bold #9fb3cc",
        "cursor": "on #26415f",
        "stale": "#5a6270",
    },
    LIGHT: {
        "ground": "#fbfbf9",
        "text": "#23282f",
        "strong": "bold #0b0e12",
        "dim": "#626b77",
        "axis": "#7c8591",
        "good": "#1d7a3a",
        "warn": "#8f5f00",
        "bad": "bold #bd1f1f",
        "bad-line": "#bd1f1f",
        "bid": "#15704a",
        "ask": "#b3303a",
        "bid-bar": "#9fd4bb",
        "ask-bar": "#ecb4b8",
        "ours": "bold #7a4f00",
        "mid": "#23282f",
        "curve": "#1d5fb5",
        "curve2": "#7b3aa8",
        "curve3": "#0c7684",
        "curve4": "#8f5f00",
        "head": "bold #3f5166",
        "cursor": "on #cfe0f3",
        "stale": "#a7adb5",
    },
    # Told apart by brightness and by blue against orange, never by red against green alone.
    CONTRAST: {
        "ground": "#000000",
        "text": "#ffffff",
        "strong": "bold #ffffff",
        "dim": "#d0d0d0",
        "axis": "#b8b8b8",
        "good": "bold #5fffff",
        "warn": "bold #ffff00",
        "bad": "bold #ffffff on #c00000",
        "bad-line": "bold #ff8787",
        "bid": "#5fd7ff",
        "ask": "#ffaf00",
        "bid-bar": "#0087d7",
        "ask-bar": "#d78700",
        "ours": "bold #ffff00",
        "mid": "#ffffff",
        "curve": "#ffff5f",
        "curve2": "#ff87ff",
        "curve3": "#5fffff",
        "curve4": "#ffffff",
        "head": "bold #ffff00",
        "cursor": "on #005f9f",
        "stale": "#8a8a8a",
    },
}

PALETTES: Final[dict[str, dict[str, Style]]] = {
    name: {
        **{style: Style.parse(words) for style, words in colours.items() if style != "ground"},
        "base": Style.parse(f"{colours['text']} on {colours['ground']}"),
        "stale-base": Style.parse(f"{colours['stale']} on {colours['ground']}"),
    }
    for name, colours in _COLOURS.items()
}


def palette(app: App[None]) -> dict[str, Style]:
    """The styles of the app's theme by name; for one that is not ours those of the dark or the light one."""
    found = PALETTES.get(app.theme)  # asked for with every line: the theme itself is put together at every look
    return found if found is not None else PALETTES[DARK if app.current_theme.dark else LIGHT]


def _theme(name: str, dark: bool, primary: str, surface: str, panel: str, alpha: float) -> Theme:
    colours = _COLOURS[name]
    return Theme(
        name=name,
        dark=dark,
        primary=primary,
        secondary=colours["curve3"],
        accent=colours["curve2"],
        foreground=colours["text"],
        background=colours["ground"],
        surface=surface,
        panel=panel,
        boost=panel,
        success=colours["good"].rpartition(" ")[2],
        warning="#b98a1e" if dark else "#c98a12",
        error="#b3261e",
        text_alpha=alpha,
        variables={
            "frame": primary,
            "frame-stale": colours["stale"],
            "text-stale": colours["stale"],
            "block-cursor-foreground": colours["text"],
        },
    )


THEMES: Final = (
    _theme(DARK, True, "#41597a", "#151b24", "#1c2430", 0.95),
    _theme(LIGHT, False, "#8aa0bb", "#f2f2ee", "#e6e7e3", 0.95),
    _theme(CONTRAST, True, "#ffffff", "#000000", "#1a1a1a", 1.0),
)
NAMES: Final = tuple(theme.name for theme in THEMES)
