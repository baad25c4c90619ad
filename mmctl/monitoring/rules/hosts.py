"""Alerts about what the engine stands on: its journal, backups, disk, memory, descriptors and its own life."""

from typing import Final

from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

P1, P2 = Priority.P1, Priority.P2
JOURNAL = Shows("system_health", "Journal lag")

_LAG = "The oldest record of {{ $labels.instance }} that is not yet durable is {{ $value | humanizeDuration }} old."

ALERTS: Final = (
    Alert("JournalLag", "min_over_time(mm_journal_lag_seconds[1m]) > 1", "1m", "warning", P2,
          "The journal of {{ $labels.instance }} lags", _LAG, JOURNAL),
    Alert("JournalLag", "min_over_time(mm_journal_lag_seconds[1m]) > 5", "1m", "critical", P1,
          "The journal of {{ $labels.instance }} lags far", _LAG, JOURNAL),
    Alert("JournalFailed", "max_over_time(mm_journal_healthy[1m]) == 0", "15s", "critical", P1,
          "The journal of {{ $labels.instance }} takes no records",
          "The database takes no records; the engine stops quoting rather than trade unrecorded.", JOURNAL),
    Alert("RecordsLost", 'increase(mm_journal_records_total{kind=~"dropped|rejected"}[10m]) > 0', "", "critical", P1,
          "The journal of {{ $labels.instance }} has lost records",
          "{{ $value | humanize }} records were {{ $labels.kind }} within ten minutes.", JOURNAL),
    Alert("MemoryHigh", "min_over_time(mm_memory_bytes[2m]) > 2147483648", "10m", "warning", P2,
          "{{ $labels.instance }} holds much memory",
          "{{ $value | humanize1024 }}B resident for ten minutes.", Shows("system_health", "Memory")),
    Alert("EngineRestarting", "changes(mm_start_timestamp_seconds[1h]) > 3", "", "warning", P1,
          "{{ $labels.instance }} starts again and again",
          "{{ $value }} starts within an hour.", Shows("system_health", "Up")),
)  # fmt: skip

GROUP: Final = Group("hosts", "15s", ALERTS)
