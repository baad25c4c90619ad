"""Figures of the process itself: memory, CPU, threads, tasks, files, pauses of the collector, lag of the loop."""

import asyncio
import gc
import math
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.telemetry.exporter import Exporter

if TYPE_CHECKING:
    from engine.config.schema import Config

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

_GAUGES: Final = (
    "mm_memory_bytes",
    "mm_threads",
    "mm_tasks",
    "mm_open_files",
    "mm_open_files_limit",
    "mm_disk_free_bytes",
    "mm_disk_free_ratio",
)


def _stat() -> list[bytes]:
    """/proc/self/stat behind the program's name, which may hold spaces. See proc(5): field 3 comes first here."""
    with open("/proc/self/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _started() -> float:
    """When the process was started, seconds since 1970; where the kernel does not say, now."""
    try:
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        ago = 0.0
    return time.time() - ago


class BuildInfo:
    """``mm_build_info``: what runs, and with which configuration since the last reload."""

    def __init__(self, exporter: Exporter, version: str, release: str) -> None:
        self._exporter, self._what = exporter, {"version": version, "release": release}
        self._shown: dict[str, str] = {}

    def configure(self, config: "Config") -> None:
        """Show the hash of the configuration that is in force from now on."""
        from engine.config.show import config_hash

        if self._shown:
            self._exporter.forget("mm_build_info", **self._shown)
        self._shown = {**self._what, "config_hash": config_hash(config)[:12]}
        self._exporter.gauge("mm_build_info", **self._shown).set(1)


class ProcessFigures:
    """Keeps the process's metrics. ``start`` begins to watch collector and loop, ``stop`` ends it.

    What the kernel must be asked for is read anew at most every ``every_s``; pauses and lag are counted as they happen.
    """

    def __init__(self, exporter: Exporter, every_s: float = 5.0, disk: Path | None = None) -> None:
        """``disk``: the folder whose disk must not fill up, None for none."""
        self._cpu = exporter.counter("mm_cpu_seconds_total")
        self._memory = exporter.gauge("mm_memory_bytes")
        self._threads = exporter.gauge("mm_threads")
        self._tasks = exporter.gauge("mm_tasks")
        self._files, self._files_limit = exporter.gauge("mm_open_files"), exporter.gauge("mm_open_files_limit")
        self._free, self._free_share = exporter.gauge("mm_disk_free_bytes"), exporter.gauge("mm_disk_free_ratio")
        self._disk = disk
        self._pauses = exporter.histogram("mm_gc_pause_seconds")
        self._lag = exporter.histogram("mm_event_loop_lag_seconds")
        self._began = 0
        self.every_s = every_s
        self._read_at = -math.inf
        self._watching: asyncio.Task[None] | None = None
        exporter.gauge("mm_start_timestamp_seconds").set(_started())
        exporter.on_scrape(self.refresh, *_GAUGES)

    def configure(self, config: "Config") -> None:
        """Take over how often the kernel is asked; the next scrape asks it, however lately it was read."""
        self.every_s = config.monitoring.metrics_interval.seconds
        self._read_at = -math.inf

    def start(self) -> None:
        """Needs a running loop."""
        gc.callbacks.append(self._on_gc)
        self._watching = asyncio.get_running_loop().create_task(self.watch_loop(), name="loop lag")

    def stop(self) -> None:
        """End the watching of garbage collections and of the event loop."""
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)
        if self._watching is not None:
            self._watching.cancel()

    def refresh(self) -> None:
        """Read what the kernel knows of us. A figure that cannot be read stays as it was."""
        now = time.monotonic()
        if now - self._read_at < self.every_s:
            return
        self._read_at = now
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu.set_to(usage.ru_utime + usage.ru_stime)
        self._files_limit.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        try:
            self._threads.set(int(_stat()[17]))
            with open("/proc/self/statm", "rb") as file:
                self._memory.set(int(file.read().split()[1]) * _PAGE)
            self._files.set(len(os.listdir("/proc/self/fd")) - 1)  # without the one that lists them
        except OSError:
            self._threads.set(threading.active_count())
            self._memory.set(usage.ru_maxrss * 1024)
        try:
            self._tasks.set(len(asyncio.all_tasks(asyncio.get_running_loop())))
        except RuntimeError:
            self._tasks.set(0)  # read from a thread without a loop
        self._read_disk()

    def _read_disk(self) -> None:
        """As ``df`` counts: of what this process may use. What cannot be read is not shown."""
        try:
            seen = os.statvfs(self._disk) if self._disk is not None else None
        except OSError:
            seen = None
        usable = seen.f_blocks - seen.f_bfree + seen.f_bavail if seen is not None else 0
        if seen is None or not usable:
            self._free.clear()
            self._free_share.clear()
            return
        self._free.set(seen.f_bavail * seen.f_frsize)
        self._free_share.set(seen.f_bavail / usable)

    def _on_gc(self, phase: str, info: dict[str, Any]) -> None:
        now = time.perf_counter_ns()
        if phase == "start":
            self._began = now
        elif self._began:
            self._pauses.observe((now - self._began) / 1e9)

    async def watch_loop(self, every_s: float = 0.1, on_lag: Callable[[float], None] | None = None) -> None:
        """Measure for ever how late the loop runs a timer of ``every_s``; ``on_lag(seconds)`` sees each measurement."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + every_s
            await asyncio.sleep(every_s)
            late = max(0.0, loop.time() - due)
            self._lag.observe(late)
            if on_lag is not None:
                on_lag(late)
