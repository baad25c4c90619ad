"""Hatchling's hook: a wheel is built only of a tree that holds nothing but what belongs into it."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


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
