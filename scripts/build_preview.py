"""Build the preview's script from its sources and the lock file, and keep it packed: `make preview`.

With --check it builds in the same way and fails, naming what differs, where what is kept is not that.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from mmctl.monitoring.preview.bundle import NAME, SOURCES, Bundle, digest_of, load, packed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deployments/grafana/preview"
BUILT = ROOT / ".run/preview"  # packages are installed there, so that the source tree stays as it is


def main() -> int:
    made = build()
    if "--check" in sys.argv[1:]:
        if load() == made:
            return 0
        print(f"{NAME} is not what its sources build: run `make preview` and commit it", file=sys.stderr)
        return 1
    (ROOT / NAME).write_bytes(packed(made))
    print(f"{NAME}: {(ROOT / NAME).stat().st_size} bytes")
    return 0


def build() -> Bundle:
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in (*SOURCES, ".npmrc"):
        if (FOLDER / name).is_dir():
            shutil.rmtree(BUILT / name, ignore_errors=True)
            shutil.copytree(FOLDER / name, BUILT / name)
        else:
            shutil.copyfile(FOLDER / name, BUILT / name)
    installed = BUILT / "node_modules/.package-lock.json"
    wanted, done = (BUILT / "package-lock.json").read_bytes(), BUILT / "installed"
    if not installed.is_file() or not done.is_file() or done.read_bytes() != wanted:
        done.unlink(missing_ok=True)
        subprocess.run(["npm", "ci", "--no-progress"], cwd=BUILT, check=True, stdout=subprocess.DEVNULL)
        done.write_bytes(wanted)
    subprocess.run(["node", "build.mjs", "bundle.js"], cwd=BUILT, check=True, stdout=subprocess.DEVNULL)
    script, style = ((BUILT / f"bundle.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return Bundle(script, style, digest_of(FOLDER))


if __name__ == "__main__":
    sys.exit(main())
