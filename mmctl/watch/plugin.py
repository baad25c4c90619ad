"""Health checks as text: for people, for Nagios, for the Prometheus textfile collector. Pure."""

from collections.abc import Sequence

from mmctl.watch.health import SEVERITY, Check, Status, worst

HostChecks = tuple[str, Sequence[Check]]


def nagios(checks: Sequence[HostChecks]) -> str:
    """One status line with performance data, then one line a check that is not OK.

    ``|`` separates performance data and a newline ends the line, so neither may appear in a message.
    """
    flat = [(host, check) for host, of_host in checks for check in of_host]
    status = worst([check.status for _, check in flat])
    # The first line is all that many monitors show: what is known to be broken comes before what is not known.
    flat = sorted(flat, key=lambda pair: -SEVERITY[pair[1].status])
    bad = [f"{host} {check.name}: {_clean(check.message)}" for host, check in flat if check.status != Status.OK]
    summary = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
    line = f"MARKET-MAKER {status.name} - {summary or f'{len(flat)} checks on {len(checks)} engine(s)'}"
    perf = " ".join(_perf(host, check, len(checks) > 1) for host, check in flat if check.value is not None)
    return "\n".join([f"{line} | {perf}" if perf else line, *bad[3:]])


def _clean(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _perf(host: str, check: Check, several: bool) -> str:
    label = (f"{host}_{check.name}" if several else check.name).replace("'", "").replace("=", "_")
    return f"'{label}'={check.value:.6g}{check.unit};{check.warn};{check.crit}".rstrip(";")


def prometheus(checks: Sequence[HostChecks]) -> str:
    """Gauges for the textfile collector: status (plugin codes) and value by host and check."""
    lines = [
        "# HELP mm_health_check_status Result of one health check: 0 ok, 1 warning, 2 critical, 3 unknown.",
        "# TYPE mm_health_check_status gauge",
    ]
    flat = [(_label(host), check) for host, of_host in checks for check in of_host]
    lines += [f'mm_health_check_status{{host="{h}",check="{c.name}"}} {int(c.status)}' for h, c in flat]
    lines += [
        "# HELP mm_health_check_value The value a health check judged, in the unit of its label.",
        "# TYPE mm_health_check_value gauge",
    ]
    lines += [
        f'mm_health_check_value{{host="{h}",check="{c.name}",unit="{c.unit}"}} {c.value!r}'
        for h, c in flat
        if c.value is not None
    ]
    return "\n".join(lines)


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def document(checks: Sequence[HostChecks]) -> dict[str, object]:
    """The contract's JSON: overall ``status`` and ``checks``; ``host`` tells them apart."""
    rows = [
        {
            "name": check.name,
            "host": host,
            "status": check.status.name,
            "value": check.value,
            "unit": check.unit,
            "warn": check.warn,
            "crit": check.crit,
            "message": check.message,
        }
        for host, of_host in checks
        for check in of_host
    ]
    return {"status": worst([c.status for _, of_host in checks for c in of_host]).name, "checks": rows}
