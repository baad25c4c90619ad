"""Hatchling's hook: a wheel is built only of a tree that holds nothing but what belongs into it, and carries the manual
page and the shells' completions."""

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROGRAM = "mmctl"
MANUAL = f"share/man/man1/{PROGRAM}.1"
COMPLETIONS = {
    "bash": f"share/bash-completion/completions/{PROGRAM}",
    "zsh": f"share/zsh/site-functions/_{PROGRAM}",
    "fish": f"share/fish/vendor_completions.d/{PROGRAM}.fish",
}


class PackedFiles(BuildHookInterface[Any]):
    """Runs before any wheel, whoever builds it: mmctl, pip or uv. An editable installation packs nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds: puts the packed files into the wheel, or refuses to build."""
        if version == "editable" or self.target_name != "wheel":
            return
        # By its path: the package itself cannot be imported where pip builds in isolation.
        top = Path(self.root)
        spec = importlib.util.spec_from_file_location("packed", top / "mmctl" / "release" / "packed.py")
        assert spec is not None
        assert spec.loader is not None
        packed = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(packed)
        found = packed.faults(top)
        if found:
            raise RuntimeError("this tree is not packed: " + "; ".join(found))
        self._made = tempfile.TemporaryDirectory()
        for name, text in _shared(top).items():
            file = Path(self._made.name, name.replace("/", "_"))
            file.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(file)] = name

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is written: what it was made of is not needed any more."""
        made = getattr(self, "_made", None)
        if made is not None:
            made.cleanup()


def _shared(top: Path) -> dict[str, str]:
    """What an installation puts beside the code, by its place there; made by modules without dependencies."""
    sys.path.insert(0, str(top))
    try:
        manual, completion = (importlib.import_module(f"mmctl.cli.{name}") for name in ("manual", "completion"))
    finally:
        sys.path.remove(str(top))
    return {MANUAL: manual.page(), **{COMPLETIONS[shell]: text for shell, text in completion.SCRIPTS.items()}}
