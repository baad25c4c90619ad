"""Which program listens on a port of a host."""

from mmctl.remote.layout import Layout, script


def holder(layout: Layout, port: int, unit: str) -> str:
    """Print the name of the program that listens on ``port``: "" for none, ``ours`` for the service ``unit``'s own.

    Without ``ss``, or where it does not tell, ``another program``.
    """
    return script(
        f"listens=$(awk -v p=\"$(printf '%04X' {port})\""
        ' \'$4=="0A"{split($2,a,":"); if(a[2]==p) n=1} END{print n+0}\' /proc/net/tcp /proc/net/tcp6 2>/dev/null)',
        '[ "$listens" = 1 ] || exit 0',
        f"all=$(ss -Hltnp 'sport = :{port}' 2>/dev/null)",
        'set -- $(printf \'%s\' "$all" | sed -n \'s/.*(("\\([^"]*\\)",pid=\\([0-9]*\\).*/\\1 \\2/p\' | head -n 1)',
        f"main=$(systemctl show -p MainPID --value {unit} 2>/dev/null || true)" if layout.managed else "main=",
        'if [ -n "${2:-}" ] && [ "${2:-}" = "$main" ]; then echo ours; else echo "${1:-another program}"; fi',
    )
