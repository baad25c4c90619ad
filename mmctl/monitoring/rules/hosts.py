"""Alerts about what the engine stands on: its journal, backups, disk, memory, descriptors and its own life."""

from typing import Final

from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

P1, P2 = Priority.P1, Priority.P2
JOURNAL = Shows("system_health", "Journal lag")

_LAG = "The oldest record of {{ $labels.instance }} that is not yet durable is {{ $value | humanizeDuration }} old."
_DISK = "{{ $value | humanizePercentage }} of the disk with the journal are free."
_ILL = "/health has said for a while that {{ $labels.component }} is not well."
HEALTH = Shows("system_health", "Health checks")

ALERTS: Final = (
    Alert("JournalLag", "min_over_time(mm_journal_lag_seconds[1m]) > 1", "1m", "warning", P2,
          "The journal of {{ $labels.instance }} lags", _LAG, JOURNAL),
    Alert("JournalLag", "min_over_time(mm_journal_lag_seconds[1m]) > 5", "1m", "critical", P1,
          "The journal of {{ $labels.instance }} lags far", _LAG, JOURNAL),
    Alert("JournalFailed", "max_over_time(mm_journal_healthy[1m]) == 0", "15s", "critical", P1,
          "The journal of {{ $labels.instance }} takes no records",
          "The database takes no records; the engine stops quoting rather than trade unrecorded.", JOURNAL),
    Alert("RecordsLost",
          'round(increase(mm_journal_records_total{kind=~"dropped|rejected"}[10m])) > 0',
          "", "critical", P1, "The journal of {{ $labels.instance }} has lost records",
          "{{ $value }} records were {{ $labels.kind }} within ten minutes.", JOURNAL),
    Alert("BackupStale", "time() - max_over_time(mm_backup_timestamp_seconds[5m]) > 93600", "15m", "warning", P2,
          "The last backup of {{ $labels.instance }} is old",
          "The last sound backup was made {{ $value | humanizeDuration }} ago; one a day is wanted.",
          Shows("system_health", "Backup age")),
    Alert("DiskLow", "max_over_time(mm_disk_free_ratio[2m]) < 0.15", "5m", "warning", P2,
          "The disk of {{ $labels.instance }} fills", _DISK, Shows("system_health", "Disk free")),
    Alert("DiskLow", "max_over_time(mm_disk_free_ratio[2m]) < 0.05", "1m", "critical", P1,
          "The disk of {{ $labels.instance }} is nearly full", _DISK, Shows("system_health", "Disk free")),
    Alert("OpenFilesHigh",
          "min_over_time(mm_open_files[2m]) / max_over_time(mm_open_files_limit[2m]) > 0.8",
          "5m", "warning", P2, "{{ $labels.instance }} nears its limit of open files",
          "{{ $value | humanizePercentage }} of the file descriptors are in use.",
          Shows("system_health", "Open files")),
    Alert("ComponentUnhealthy", "max_over_time(mm_health[30s]) == 0", "1m", "warning", P2,
          "{{ $labels.component }} of {{ $labels.instance }} is not well", _ILL, HEALTH),
    Alert("ComponentUnhealthy", 'max_over_time(mm_health{component="sentinel"}[30s]) == 0', "30s", "critical", P1,
          "Nobody stands beside {{ $labels.instance }}: its sentinel is not well", _ILL, HEALTH),
    Alert("MemoryHigh", "min_over_time(mm_memory_bytes[2m]) > 2147483648", "10m", "warning", P2,
          "{{ $labels.instance }} holds much memory",
          "{{ $value | humanize1024 }}B resident for ten minutes.", Shows("system_health", "Memory")),
    Alert("EngineRestarting", "changes(mm_start_timestamp_seconds[1h]) > 3", "", "warning", P1,
          "{{ $labels.instance }} starts again and again",
          "{{ $value }} starts within an hour.", Shows("system_health", "Up")),
)  # fmt: skip

GROUP: Final = Group("hosts", "15s", ALERTS)
