"""The page's script and style: Grafana's front-end packages and what draws with them, built by ``make preview``."""

import hashlib
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmctl.fleet.errors import OperatorError

#: Where it lies in the source tree, and below ``mmctl/assets`` of an installed package.
NAME: Final = "deployments/grafana/preview/bundle.xz"
SOURCES: Final = ("package.json", "package-lock.json", "build.mjs", "src")
_MMCTL = Path(__file__).resolve().parents[2]


class BundleMissing(OperatorError):
    """The preview's script is not where it belongs, or is not one."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The script, the style, and the SHA-256 of the sources they were built from."""

    script: str
    style: str
    sources: str


def packed(bundle: Bundle) -> bytes:
    """The bundle as it is kept."""
    kept = {"sources": bundle.sources, "style": bundle.style, "script": bundle.script}
    return lzma.compress(json.dumps(kept, ensure_ascii=False).encode(), preset=9 | lzma.PRESET_EXTREME)


def load() -> Bundle:
    """The bundle of this installation. Raises BundleMissing."""
    places = (_MMCTL.parent / NAME, _MMCTL / "assets" / NAME)
    place = next((path for path in places if path.is_file()), None)
    if place is None:
        raise BundleMissing(
            "this installation has no script for the preview",
            f"`make preview` in the source tree builds {NAME}; a wheel built after that carries it.",
        )
    try:
        kept = json.loads(lzma.decompress(place.read_bytes()))
        return Bundle(kept["script"], kept["style"], kept["sources"])
    except (OSError, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
        raise BundleMissing(f"{place} is damaged: {error}", "Build it again: `make preview`.") from None


def digest_of(folder: Path) -> str:
    """The SHA-256 over names and bytes of all that the bundle is built from."""
    found = hashlib.sha256()
    for source in SOURCES:
        top = folder / source
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                found.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
                found.update(path.read_bytes())
    return found.hexdigest()
