"""The lock of a host, its audit trail and its step journal, as scripts. All three lie in the layout's ``.mmctl``."""

from mmctl.remote.layout import Layout, q, script

LOCKED = 11
# A lock whose owner wrote nothing into it within this time died while taking it.
STILLBORN_SECONDS = 10
# A script of a run that was interrupted goes on to its own deadline; the next run waits so long for it.
WORK_SECONDS = 30


def _guarded(layout: Layout, name: str) -> str:
    """Serialise what follows with every other script that uses the same guard."""
    return f"exec 9>{q(layout.at('.mmctl', name))}; flock -w 10 9"


def acquire(layout: Layout, run: str, ttl: int, instead_of: str = "") -> str:
    """Take the lock with the JSON record on stdin, for ``ttl`` seconds (0: until released). 11 and its holder if held.

    ``instead_of``: a run that is known to have ended; the lock is taken from it, and from no other.

    A lock past its time is taken over; each taking gets the next generation, so a late writer can be told apart.
    """
    expires = f"$(( $(date +%s) + {ttl} ))" if ttl else "never"
    return script(
        f"mkdir -p {q(layout.at('.mmctl'))}",
        f"chmod 0700 {q(layout.at('.mmctl'))}",
        f"cd {q(layout.at('.mmctl'))}",
        _guarded(layout, "lock.guard"),
        "if ! mkdir lock 2>/dev/null; then",
        "  until=$(cat lock/expires 2>/dev/null || true); now=$(date +%s)",
        f'  [ -n "$until" ] || until=$(( $(stat -c %Y lock) + {STILLBORN_SECONDS} ))',
        f'  if [ "$(cat lock/run 2>/dev/null)" = {q(run)} ]; then :',
        f'  elif [ "$(cat lock/run 2>/dev/null)" = {q(instead_of)} ]; then :' if instead_of else "",
        '  elif [ "$until" = never ] || [ "$now" -le "$until" ]; then',
        f"    cat lock/record.json 2>/dev/null || true; exit {LOCKED}",
        "  fi",
        "  rm -rf lock; mkdir lock",
        "fi",
        "generation=$(( $(cat generation 2>/dev/null || echo 0) + 1 )); echo $generation > generation",
        "cat > lock/record.json",
        f"echo {expires} > lock/expires",
        f"echo {q(run)} > lock/run",
        "echo $generation",
    )


def renew(layout: Layout, run: str, ttl: int) -> str:
    """Hold it for ``ttl`` seconds more; 11 when it has become another's."""
    return script(
        f"cd {q(layout.at('.mmctl'))}",
        _guarded(layout, "lock.guard"),
        f'[ "$(cat lock/run 2>/dev/null)" = {q(run)} ] || exit {LOCKED}',
        f"echo $(( $(date +%s) + {ttl} )) > lock/expires",
    )


def release(layout: Layout, run: str, force: bool = False) -> str:
    """Give the lock back: only one's own, or with ``force`` anybody's."""
    lines = [f"[ -d {q(layout.at('.mmctl', 'lock'))} ] || exit 0", f"cd {q(layout.at('.mmctl'))}"]
    lines.append(_guarded(layout, "lock.guard"))
    if not force:
        lines.append(f'[ "$(cat lock/run 2>/dev/null)" = {q(run)} ] || exit {LOCKED}')
    return script(*lines, "rm -rf lock")


def lock_status(layout: Layout) -> str:
    """Print ``held`` or ``free``, the seconds left, the generation, and the holder's record."""
    return script(
        f"cd {q(layout.at('.mmctl'))} 2>/dev/null || {{ echo free; exit 0; }}",
        "[ -d lock ] || { echo free; exit 0; }",
        "until=$(cat lock/expires 2>/dev/null || echo 0)",
        'if [ "$until" = never ]; then left=never; else left=$(( until - $(date +%s) )); fi',
        'echo "held $left $(cat generation 2>/dev/null || echo 0)"',
        "cat lock/record.json 2>/dev/null || true",
    )


def held_by(layout: Layout, run: str) -> str:
    """Lines that end a script unless ``run`` still holds the lock: a late writer must not write.

    They also wait for a script whose operator went away in the middle: two never work on one host at once.
    """
    guard = q(layout.at(".mmctl", "work.guard"))
    return (
        f"exec 8>>{guard}; flock -w {WORK_SECONDS} 8 || "
        f"{{ echo 'an earlier step still runs here' >&2; exit {LOCKED}; }}\n"
        f'[ "$(cat {q(layout.at(".mmctl", "lock", "run"))} 2>/dev/null)" = {q(run)} ] || '
        f'{{ echo "the lock of this host is no longer ours" >&2; exit {LOCKED}; }}'
    )


def append_audit(layout: Layout, known: int = 0) -> str:
    """Append the JSON object on stdin as one line, after adding the digest of the line before.

    Prints ``at=`` the digest of line ``known`` as it is found before (empty where there is none), then ``lines=`` and
    ``head=`` of the trail after. A line that was cut short by a full disk stays a line of its own.
    """
    hashed = "tr -d '\\n' | sha256sum | cut -c1-64"
    at = f'$([ "$(wc -l < audit.jsonl)" -lt {known} ] || sed -n {known}p audit.jsonl | {hashed})' if known else ""
    return script(
        f"mkdir -p {q(layout.at('.mmctl'))}",
        f"cd {q(layout.at('.mmctl'))}",
        "umask 077",
        "export LC_ALL=C",
        _guarded(layout, "audit.guard"),
        "read -r line",
        "[ -e audit.jsonl ] || : > audit.jsonl",
        '[ -z "$(tail -c 1 audit.jsonl)" ] || echo >> audit.jsonl',
        f'echo "at={at}"',
        f"before=$(tail -n 1 audit.jsonl | {hashed})",
        'printf \'{"prev_sha256":"%s",%s\\n\' "$before" "${line#\\{}" >> audit.jsonl',
        'echo "lines=$(wc -l < audit.jsonl)"',
        f'echo "head=$(tail -n 1 audit.jsonl | {hashed})"',
    )


def set_aside(layout: Layout, name: str) -> str:
    """Move the trail to ``name``, so that the next line begins a new one."""
    return script(
        f"cd {q(layout.at('.mmctl'))}",
        _guarded(layout, "audit.guard"),
        f"[ ! -e audit.jsonl ] || mv audit.jsonl {q(name)}",
    )


def journal_step(layout: Layout, release_id: str, line: str) -> str:
    """Note on the host that a step of a deploy was done there."""
    return f"printf '%s\\n' {q(line)} >> {q(layout.at('.mmctl', 'steps', release_id + '.jsonl'))}"
