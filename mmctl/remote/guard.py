"""What the guard reads and keeps on a host, as scripts. It lies in the layout's ``.mmctl/guard``.

``begun/RELEASE`` is made by one rename before a rollback away from RELEASE: of two guards one makes it, and no
restart of a guard or of the host makes the rollback twice. ``alive`` is written at every look of the unit.
"""

from mmctl.remote import ledger, units
from mmctl.remote.layout import Layout, q, script

#: Exit code of :func:`begin` where it was begun before.
BEGUN = 11


def look(layout: Layout, python: str) -> str:
    """Print ``current=``, ``port=``, ``begun=FROM TO OUTCOME AGE`` (seconds) and ``alive=`` lines, the service's state,
    and last ``lock=`` with what :func:`mmctl.remote.ledger.lock_status` prints. Changes nothing."""
    folder = layout.at(".mmctl", "guard")
    about = q(f"{layout.current}/RELEASE.json")
    port = r's/^ *"api_port": *\([0-9]*\).*/port=\1/p'
    return script(
        f'echo "current=$(basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null)"',
        f"sed -n '{port}' {about} 2>/dev/null || true",
        f'for b in {q(folder)}/begun/*/to; do [ -f "$b" ] || continue; '
        'echo "begun=$(basename "$(dirname "$b")") $(cat "$b") $(( $(date +%s) - $(stat -c %Y "$b") ))"; done',
        f'echo "alive=$(cat {q(folder)}/alive 2>/dev/null || true)"',
        f"( {units.state(layout, python)} ) 2>/dev/null || true",
        "printf 'lock='",
        "(", ledger.lock_status(layout), ")",
    )  # fmt: skip


def beat(layout: Layout, text: str) -> str:
    """Note that the guard lives, with ``text`` on one line."""
    alive = layout.at(".mmctl", "guard", "alive")
    return script(
        f"mkdir -p {q(layout.at('.mmctl', 'guard'))}",
        f"printf '%s\\n' {q(text)} > {q(alive + '.part')}",
        f"mv -f {q(alive + '.part')} {q(alive)}",
    )


def begin(layout: Layout, release: str) -> str:
    """Claim the one automatic rollback away from ``release``; BEGUN where somebody has it."""
    folder = q(layout.at(".mmctl", "guard"))
    # Written beside and renamed: nobody ever sees a claim without its words. A rename onto one that is there fails.
    return script(
        f"mkdir -p {folder}/begun",
        f"new=$(mktemp -d {folder}/claim.XXXXXX)",
        "echo '- begun' > \"$new/to\"",
        f'mv -T "$new" {folder}/begun/{q(release)} 2>/dev/null || {{ rm -rf "$new"; exit {BEGUN}; }}',
        f"sync {folder}/begun/{q(release)}/to {folder}/begun",
    )


def settle(layout: Layout, release: str, to: str, outcome: str) -> str:
    """How the rollback away from ``release`` ended: one word, and where it went."""
    kept = q(layout.at(".mmctl", "guard", "begun", release, "to"))
    words = q(f"{to or '-'} {outcome}")
    return script(f"printf '%s\\n' {words} > {kept}.part", f"mv -f {kept}.part {kept}")


def withdraw(layout: Layout, release: str) -> str:
    """Nothing was begun after all: somebody else was at work."""
    return script(f"rm -rf {q(layout.at('.mmctl', 'guard', 'begun', release))}")


def age(layout: Layout) -> str:
    """Print ``guard_age=`` seconds since the unit last looked; nothing where none ever did."""
    alive = q(layout.at(".mmctl", "guard", "alive"))
    return f'[ ! -e {alive} ] || echo "guard_age=$(( $(date +%s) - $(stat -c %Y {alive}) ))"\n'
