"""The secrets of a host as scripts: look at them, put others in their place, and the old ones back."""

from mmctl.remote.layout import ENV_NAME, Layout, q, script

RECORD = "secrets.json"
#: A host whose file was changed by somebody else since it was looked at.
CHANGED = 7


def record(layout: Layout) -> str:
    """The file that says which secrets were set on the host itself, when and by whom. It holds no value."""
    return layout.at(".mmctl", RECORD)


def look(layout: Layout) -> str:
    """Print the environment file and the record in base64, and when the file was written (s since 1970)."""
    live, names = q(layout.env_file), q(record(layout))
    return script(
        f'echo "modified=$(stat -c %Y {live} 2>/dev/null || true)"',
        f"[ ! -e {live} ] || {{ printf file=; base64 -w 0 {live}; echo; }}",
        f"[ ! -e {names} ] || {{ printf record=; base64 -w 0 {names}; echo; }}",
    )


def _before(layout: Layout) -> tuple[str, str]:
    return q(f"{layout.etc}/.{ENV_NAME}.before"), q(record(layout) + ".before")


def adopt(layout: Layout, expected: str, about: str) -> str:
    """The staged file becomes the live one, and ``about`` its record. What was there stays for :func:`put_back`.

    Ends with CHANGED unless the live file still has the SHA-256 ``expected`` ("" = there is none). The record comes
    first: cut off between the two, the old value counts as the host's own, and no deploy replaces it in silence.
    """
    live, names, new = q(layout.env_file), q(record(layout)), q(f"{layout.etc}/.{ENV_NAME}.new")
    old, old_names = _before(layout)
    return script(
        "umask 077",
        f'[ "$([ ! -e {live} ] || sha256sum < {live} | cut -c1-64)" = {q(expected)} ] || '
        f"{{ echo 'somebody changed {layout.env_file} meanwhile' >&2; exit {CHANGED}; }}",
        f"rm -f {old} {old_names}",
        f"[ ! -e {live} ] || cp -p {live} {old}",
        f"[ ! -e {names} ] || cp -p {names} {old_names}",
        f"printf '%s\\n' {q(about)} > {names}.part",
        f"mv -f {names}.part {names}",
        f"mv -f {new} {live}",
    )


def put_back(layout: Layout) -> str:
    """The file and the record as they were before :func:`adopt`; nothing of the new ones stays."""
    live, names = q(layout.env_file), q(record(layout))
    old, old_names = _before(layout)
    return script(
        f"if [ -e {old} ]; then mv -f {old} {live}; else rm -f {live}; fi",
        f"if [ -e {old_names} ]; then mv -f {old_names} {names}; else rm -f {names}; fi",
        f"rm -f {q(f'{layout.etc}/.{ENV_NAME}.new')}",
    )


def forget(layout: Layout) -> str:
    """Nothing of old or refused secrets stays behind."""
    return script(f"rm -f {' '.join(_before(layout))} {q(f'{layout.etc}/.{ENV_NAME}.new')}")
