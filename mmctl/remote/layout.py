"""Where everything lies on a host, and the scripts that make, read, switch and clear the layout."""

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from mmctl.fleet.inventory import DEFAULT_ROOT, Target

SERVICE_USER = "trader"
ENV_NAME = "engine.env"
HEADER = "set -eu\n"
# How far back a rollback can look.
HISTORY_LINES = 100
RELEASE_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}\Z")


@dataclass(frozen=True)
class Layout:
    """Absolute paths on one host. ``managed``: systemd runs it as ``user``; else our supervisor, as whoever we are."""

    root: str = DEFAULT_ROOT
    logs: str = "/var/log/market-maker"
    etc: str = "/etc/market-maker"
    units: str = "/etc/systemd/system"
    user: str = SERVICE_USER
    managed: bool = True

    def at(self, *parts: str) -> str:
        """A path below the root that all releases share."""
        return str(PurePosixPath(self.root, *parts))

    def release(self, release: str, *parts: str) -> str:
        """A path inside one release."""
        return self.at("releases", release, *parts)

    @property
    def current(self) -> str:
        """The link to the release that runs."""
        return self.at("current")

    @property
    def config(self) -> str:
        """The configuration that the engine reads."""
        return self.at("shared", "configs", "config.yaml")

    @property
    def data(self) -> str:
        """The engine's own folder: journal, memory, inputs."""
        return self.at("shared", "data")

    @property
    def env_file(self) -> str:
        """The file with the engine's secrets."""
        return str(PurePosixPath(self.etc, ENV_NAME))


def layout_of(target: Target) -> Layout:
    """The layout of a target's hosts: the system's folders, or one folder of the user's where nothing is managed."""
    if not target.managed:
        root = PurePosixPath(target.root)
        return Layout(str(root), str(root / "log"), str(root / "etc"), str(root / "run"), "", False)
    name = PurePosixPath(target.root).name
    if target.root == DEFAULT_ROOT:
        return Layout()
    return Layout(target.root, f"/var/log/{name}", f"/etc/{name}")


def q(word: str) -> str:
    """``word`` quoted for sh."""
    return shlex.quote(word)


def script(*lines: str) -> str:
    """Lines, or scripts, as one sh script that ends at the first failure and at the first unset name."""
    bare = [line.removeprefix(HEADER).rstrip("\n") for line in lines]
    return HEADER + "".join(line + "\n" for line in bare if line)


SHARED = ("configs", "data", "models", "wheels", "envs", "tools")


def make(layout: Layout) -> str:
    """Create the folders that are missing. Root owns all but the data, which the engine writes."""
    shared = " ".join(q(layout.at("shared", name)) for name in SHARED)
    return script(
        f"[ ! -e {q(layout.current)} ] || [ -L {q(layout.current)} ] || "
        f"{{ echo {q(layout.current + ' is in the way: it must be a symbolic link')} >&2; exit 7; }}",
        f"mkdir -p {q(layout.at('releases'))} {shared} {q(layout.at('.mmctl', 'steps'))}",
        f"chmod 0755 {q(layout.root)} {q(layout.at('releases'))} {shared}",
        f"chmod 0700 {q(layout.at('.mmctl'))}",
    )


FACTS_OF_PYTHON = (
    "import platform,sys;"
    'print("python_version=%d.%d.%d"%sys.version_info[:3]);'
    'print("implementation=%s"%sys.implementation.name);'
    'print("libc=%s-%s"%platform.libc_ver())'
)


def facts(layout: Layout, port: int, active: str, schemas: str = "true") -> str:
    """Print what a plan needs to know as ``key=value`` lines. ``active`` is the command that prints the service's
    state, ``schemas`` the one that prints the schemas. Changes nothing, and needs nothing but a POSIX sh."""
    root = q(layout.root)
    return "\n".join([
        'say() { printf "%s=%s\\n" "$1" "$2"; }',
        f"root={root}",
        'say uid "$(id -u)"',
        'say machine "$(uname -m)"',
        'say kernel "$(uname -s)"',
        'say clock "$(date +%s.%N)"',
        f"python3 -c {q(FACTS_OF_PYTHON)} 2>/dev/null || true",
        "say systemd \"$(systemctl --version 2>/dev/null | awk 'NR==1{print $2}')\"",
        "say memory_mb \"$(awk '/^MemAvailable/{print int($2/1024)}' /proc/meminfo)\"",
        'near=$root; while [ ! -d "$near" ]; do near=$(dirname "$near"); done',
        "say disk_mb \"$(df -Pm \"$near\" | awk 'NR==2{print $4}')\"",
        'say writable "$([ -w "$near" ] && echo yes || echo no)"',
        f'say port_used "$(awk -v p="$(printf "%04X" {port})" '
        "'$4==\"0A\"{split($2,a,\":\"); if(a[2]==p) n=1} END{print n?\"yes\":\"no\"}' /proc/net/tcp /proc/net/tcp6 "
        '2>/dev/null)"',
        f'say active "$({active} 2>/dev/null || true)"',
        f'say user "$(id -u {q(layout.user)} 2>/dev/null || true)"' if layout.user else "say user none",
        'say current "$(basename "$(readlink "$root/current" 2>/dev/null)" 2>/dev/null)"',
        f'say env_sha256 "$(sha256sum {q(layout.env_file)} 2>/dev/null | cut -c1-64)"',
        f'say config_sha256 "$(sha256sum {q(layout.config)} 2>/dev/null | cut -c1-64)"',
        f'tail -n {HISTORY_LINES} "$root"/.mmctl/history 2>/dev/null | while read -r r; do say history "$r"; done',
        'for w in "$root"/shared/wheels/*/*.whl; do [ -e "$w" ] && say wheel "$(basename "$(dirname "$w")")"; done',
        'for e in "$root"/shared/envs/*/.complete; do [ -e "$e" ] && say env "$(basename "$(dirname "$e")")"; done',
        'for r in "$root"/releases/*/; do [ -d "$r" ] || continue; n=$(basename "$r"); m=; '
        'for k in complete good bad; do [ -e "$r/.$k" ] && m="$m $k"; done; '
        "p=$(sed -n 's/^ *\"api_port\": *\\([0-9]*\\).*/\\1/p' \"$r/RELEASE.json\" 2>/dev/null || true); "
        'say release "$n$m env:$(cat "$r/.env" 2>/dev/null) port:$p"; '
        'say about "$n $(tr -d "\\n" < "$r/RELEASE.json" 2>/dev/null)"; done',
        'for b in "$root"/.mmctl/bad/*; do [ -f "$b" ] && say condemned "$(basename "$b") $(head -n 1 "$b")"; done',
        f"{schemas} 2>/dev/null || true",
        'say boot "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"',
        "true",
    ]) + "\n"  # fmt: skip


def mark(layout: Layout, release: str, marker: str, text: str) -> str:
    """Note on a release that it is ``complete``, ``good`` or ``bad``, and why; good and bad exclude each other.

    A good one is also the next line of the host's history: what proved good, in the order in which it ran.
    """
    lines = [f"printf '%s\\n' {q(text)} > {q(layout.release(release, '.' + marker))}"]
    if marker == "bad":
        lines.append(f"rm -f {q(layout.release(release, '.good'))}")
    if marker == "good":
        lines.append(f"rm -f {q(layout.release(release, '.bad'))}")
        lines.append(f"printf '%s\\n' {q(release)} >> {q(layout.at('.mmctl', 'history'))}")
    return script(*lines)


def condemn(layout: Layout, content: str, reason: str) -> str:
    """Note that this content, under whatever id, did not come up; its release may be cleared away meanwhile."""
    folder = layout.at(".mmctl", "bad")
    return script(f"mkdir -p {q(folder)}", f"printf '%s\\n' {q(reason)} > {q(f'{folder}/{content}')}")


def acquit(layout: Layout, content: str) -> str:
    """The content came up after all."""
    return script(f"rm -f {q(layout.at('.mmctl', 'bad', content))}")


def went_back(layout: Layout, release: str, text: str) -> str:
    """Note that a person went back to ``release``, which is good: the host's history ends with it again.

    What was left keeps its marks, and is no place that a later rollback goes to.
    """
    history, part = q(layout.at(".mmctl", "history")), q(layout.at(".mmctl", "history.part"))
    return script(
        f"printf '%s\\n' {q(text)} > {q(layout.release(release, '.good'))}",
        f"rm -f {q(layout.release(release, '.bad'))}",
        f"turn=$(grep -nxF -e {q(release)} {history} 2>/dev/null | tail -n 1 | cut -d: -f1)",
        f'if [ -n "$turn" ]; then head -n "$turn" {history} > {part}; mv -f {part} {history}; '
        f"else printf '%s\\n' {q(release)} >> {history}; fi",
    )


def switch(layout: Layout, release: str) -> str:
    """Point ``current`` at ``release`` by one rename: no moment without a valid link."""
    link = q(layout.at(".current.new"))
    return script(
        f"[ -e {q(layout.release(release, '.complete'))} ]",
        f"ln -sfn {q('releases/' + release)} {link}",
        f"mv -fT {link} {q(layout.current)}",
    )


def remove_releases(layout: Layout, releases: tuple[str, ...], envs: tuple[str, ...], wheels: tuple[str, ...]) -> str:
    """Delete what nothing refers to any more. Refuses, on the host, to touch what ``current`` points at."""
    lines = [f'now=$(basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null || true)']
    for release in releases:
        assert RELEASE_ID.match(release), release
        lines.append(f'[ "$now" = {release} ] || rm -rf {q(layout.release(release))}')
    lines += [f"rm -rf {q(layout.at('shared', 'envs', env))}" for env in envs]
    lines += [f"rm -rf {q(layout.at('shared', 'wheels', wheel))}" for wheel in wheels]
    return script(*lines)
