"""What a backup and a restore run on a host, as text. Pure.

The copy is made beside the journal's own folder tree, under the layout's private folder, and is removed whatever
happens. Nothing here touches the live journal except SQLite's own backup API, read-only.
"""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from mmctl.remote import units
from mmctl.remote.layout import Layout, q, script
from mmctl.vault.journal import COPY

SCRATCH = "backup."
#: Of the log files the newest are taken, up to this sum; of the service manager's log these days and bytes.
MAX_LOG_BYTES = 200_000_000
LOG_DAYS = 7
MAX_JOURNALD_BYTES = 50_000_000
JOURNALD_SECONDS = 60


def collect(layout: Layout, journal: str | None, data_dir: str, log: str | None = None) -> str:
    """Make the copies in a new private folder and print its path; nothing is left behind when it fails.

    What the service's user may write (logs, spill files) is copied without following links: root reads for us here.
    """
    private = layout.at(".mmctl")
    configs, absent = q(layout.at("shared", "configs")), q(f"{layout.root} does not exist: nothing is deployed here")
    copy = f'python3 -c {q(COPY)} {q(journal)} "$folder/journal.db"' if journal else _from_server(layout)
    models = q(layout.at("shared", "models"))
    return script(
        "umask 077",
        f"[ -d {q(layout.root)} ] || {{ echo {absent} >&2; exit 7; }}",
        f"mkdir -p {q(private)}",
        f"find {q(private)} -maxdepth 1 -name {q(SCRATCH + '*')} -mmin +720 -exec rm -rf {{}} +",
        f"folder=$(mktemp -d {q(private)}/{SCRATCH}XXXXXXXX)",
        "trap '[ $? = 0 ] || rm -rf \"$folder\"' EXIT",
        copy,
        'mkdir -p "$folder/rest"',
        f'[ ! -d {configs} ] || cp -rL {configs} "$folder/rest/configs"',
        f'[ -z "$(ls -A {models} 2>/dev/null)" ] || cp -rP {models} "$folder/rest/models"',
        f'[ ! -f {q(private)}/audit.jsonl ] || cp {q(private)}/audit.jsonl "$folder/rest/audit.jsonl"',
        f"for f in {q(data_dir)}/*spill* {q(data_dir)}/spill/*; do "
        '[ ! -f "$f" ] || { mkdir -p "$folder/rest/spill"; cp -P "$f" "$folder/rest/spill/"; }; done',
        _logs(layout, log),
        'tar -C "$folder/rest" -cf "$folder/rest.tar" .',
        'rm -rf "$folder/rest"',
        f'printf "release=%s\\n" "$(basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null || true)"',
        'printf "folder=%s\\n" "$folder"',
    )


def _from_server(layout: Layout) -> str:
    """A journal in PostgreSQL as one SQLite file, all tables as of one moment: the release that is current reads it, so
    that the copy is verified and restored as any other, and no password leaves the host."""
    run, config, env = q(layout.at("current", "bin", "run")), q(layout.config), q(layout.env_file)
    return (
        f"(cd {q(layout.at('shared'))} && set -- --config {config} && {{ [ ! -r {env} ] || "
        f'set -- "$@" --env-file {env}; }} && {run} engine.store copy "$@" "$folder/journal.db" >/dev/null)'
    )


LOGS = r"""
import os, stat, sys
into, most = sys.argv[1], int(sys.argv[2])
found = {}
for place in sys.argv[3:]:
    folder, prefix = os.path.split(place)
    try:
        names = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        continue
    for name in names:
        try:
            # Who writes logs could put a link to anything, or a pipe, in their place.
            file = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        facts = os.fstat(file)
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 and name.isprintable() and len(name) < 90:
            found[facts.st_dev, facts.st_ino] = (facts.st_mtime, name, file, facts.st_size)
os.makedirs(into, exist_ok=True)
for _, name, file, size in sorted(found.values(), reverse=True):
    if size > most or os.path.exists(os.path.join(into, name)):
        continue
    most -= size
    with os.fdopen(file, "rb") as source, open(os.path.join(into, name), "wb") as sink:
        while size and (chunk := source.read(min(size, 1 << 20))):
            size -= sink.write(chunk)
"""


def _logs(layout: Layout, log: str | None) -> str:
    """The engine's log files, rotated ones too, the newest first until there are enough; and what systemd keeps."""
    places = [layout.logs + "/", *([log] if log is not None and str(PurePosixPath(log).parent) != layout.logs else [])]
    lines = [f'python3 -c {q(LOGS)} "$folder/rest/logs" {MAX_LOG_BYTES} {" ".join(map(q, places))}']
    if layout.managed:
        what = f"{units.LOGGED} -u {units.SENTINEL} --since=-{LOG_DAYS}d -o short-iso"
        lines.append(
            f"timeout {JOURNALD_SECONDS} journalctl -q --no-pager {what} 2>/dev/null | "
            f'tail -c {MAX_JOURNALD_BYTES} > "$folder/rest/logs/systemd.log" || true'
        )
    return "\n".join(lines)


STAMP = r"""
import os, sys
folder, text = sys.argv[1:3]
# Root writes here into a folder of the service's user: nothing is followed, and nothing that is there is written to.
at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
for name in sys.argv[3:]:
    fresh = f".{name}.{os.getpid()}"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=at)
    try:
        with os.fdopen(file, "w") as sink:
            os.fchmod(file, 0o644)
            sink.write(text)
            sink.flush()
            os.fsync(file)
        os.replace(fresh, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        os.unlink(fresh, dir_fd=at)
        raise
os.fsync(at)
"""


def stamp(data_dir: str, accounts: Sequence[str], made_ns: int) -> str:
    """Leave for the engine when its last sound backup was made (ns since 1970), whole or not at all."""
    names = " ".join(q(f"backup-{account}.json") for account in accounts)
    return script(f"python3 -c {q(STAMP)} {q(data_dir)} {q(json.dumps({'made_ns': made_ns}))} {names}")


def is_scratch(layout: Layout, folder: str) -> bool:
    """Whether ``folder`` is one that ``collect`` makes: only such a folder is ever removed."""
    name = folder.removeprefix(layout.at(".mmctl") + "/" + SCRATCH)
    return name != folder and name.isalnum()


def discard(layout: Layout, folder: str) -> str:
    """Remove a folder made by ``collect``. Raises ValueError for any other."""
    if not is_scratch(layout, folder):
        raise ValueError(f"{folder} is not a scratch folder of a backup")
    return f"rm -rf {q(folder)}"


CHECK = r"""
import hashlib, sqlite3, sys
path, digest = sys.argv[1:3]
seen = hashlib.sha256()
with open(path, "rb") as file:
    while chunk := file.read(1 << 20):
        seen.update(chunk)
if seen.hexdigest() != digest:
    sys.exit("the upload arrived damaged: its digest is not the expected one")
db = sqlite3.connect("file:" + path + "?mode=ro&immutable=1", uri=True)
said = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
if said != "ok":
    sys.exit("the uploaded journal is damaged: " + said)
"""


def receive(journal: str) -> str:
    """Take the journal's copy from stdin, beside the place where it will stand."""
    return script("umask 077", f"cat > {q(journal + '.restoring')}", f"sync -d {q(journal + '.restoring')}")


def swap(journal: str, digest: str, stamp: str, owner: Sequence[str]) -> str:
    """Check the received copy on the host, then put it in place by renames; the old journal stays as ``.before-*``.

    ``owner`` is ``(user,)`` where the engine runs as another user.
    """
    new, old = q(journal + ".restoring"), journal + f".before-{stamp}"
    own = f"chown {q(owner[0])}:{q(owner[0])} {new}" if owner else ""
    return script(
        f"python3 -c {q(CHECK)} {new} {digest}",
        own,
        f"chmod 0640 {new}",
        *(
            f"[ ! -e {q(journal + tail)} ] || mv -f {q(journal + tail)} {q(old + tail)}"
            for tail in ("-wal", "-shm", "")
        ),
        f"mv -f {new} {q(journal)}",
        f"printf 'before=%s\\n' {q(old)}",
    )


def forget(journal: str) -> str:
    """Remove what ``receive`` left after a restore that did not come to its end."""
    return f"rm -f {q(journal + '.restoring')}"
