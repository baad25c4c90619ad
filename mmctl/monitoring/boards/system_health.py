"""Does it stand on sound ground: process, host, feeds, journal, backups?"""

from typing import Final

from mmctl.monitoring.boards.expressions import at, largest, least, quantile, rate
from mmctl.monitoring.boards.model import (
    BLUE,
    GREEN,
    GREY,
    RED,
    YELLOW,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Shown,
    Step,
    Words,
    steps,
)
from mmctl.monitoring.boards.system_records import FEEDS, GOOD_IS_ONE, RECORDS

W = Words

#: Prometheus reads itself, too; only engines have a target.
ENGINES_ONLY: Final = 'target!=""'
UP: Final = {"0": Shown(W("离线", "down"), RED), "1": Shown(W("在线", "up"), GREEN)}
ROLES: Final = {"0": Shown(W("备", "standby"), BLUE), "1": Shown(W("主", "primary"), GREEN)}
WELL: Final = {"0": Shown(W("异常", "unwell"), RED), "1": Shown(W("正常", "well"), GREEN)}
SHOWN: Final = 'level=~"warning|error|critical"'

HEARTBEAT: Final = at("mm_engine_heartbeat_timestamp_seconds")

STATE = (
    Panel(
        Kind.STAT,
        W("在线", "Up"),
        W(
            "Prometheus能否抓取每个实例，1在线，0离线。离线为坏：一分钟后SystemDown告警。",
            "Whether Prometheus reaches each engine, 1 up, 0 down. Bad: down; SystemDown pages after a minute.",
        ),
        "bool",
        (Query(least(at("up", ENGINES_ONLY), "instance"), "{{instance}}"),),
        width=5,
        height=5,
        steps=GOOD_IS_ONE,
        shown=UP,
    ),
    Panel(
        Kind.STAT,
        W("角色", "Role"),
        W(
            "每个实例的角色：1主（持有租约，可报价），0备。一个账户没有主或有两个主为坏。",
            "Role of each engine: 1 primary (holds the lease, may quote), 0 standby. Bad: an account with"
            " none, or two.",
        ),
        "bool",
        (Query(at("mm_role", 'role="primary"'), "{{instance}}"),),
        width=5,
        height=5,
        steps=(Step(None, BLUE), Step(1, GREEN)),
        shown=ROLES,
    ),
    Panel(
        Kind.STAT,
        W("版本", "Release"),
        W(
            "每个实例运行的版本和配置，数值恒为1。同一目标上版本不同为坏。",
            "Release and configuration each engine runs; the value is always 1. Bad: several releases in one target.",
        ),
        "bool",
        (
            Query(
                largest(at("mm_build_info"), "instance", "release", "config_hash"),
                "{{instance}} {{release}} {{config_hash}}",
            ),
        ),
        width=6,
        height=5,
        shown={"1": Shown(W("运行中", "runs"), GREY)},
    ),
    Panel(
        Kind.STAT,
        W("运行时间", "Uptime"),
        W(
            "启动以来的时间，秒。短于上次部署以来的时间为坏：它自己重启过。",
            "Time since the start, seconds. Bad: shorter than since the last deploy, for then it restarted by itself.",
        ),
        "s",
        (Query(f"time() - {largest(at('mm_start_timestamp_seconds'), 'instance')}", "{{instance}}"),),
        width=4,
        height=5,
    ),
    Panel(
        Kind.STAT,
        W("心跳年龄", "Heartbeat age"),
        W(
            "抓取时主循环上一次走完以来的时间，秒。5秒黄，10秒红：循环卡住了。",
            "Time since the quoting loop last came round, as of the scrape, seconds. Bad: 5 s amber, 10 s red;"
            " it is stuck.",
        ),
        "s",
        (Query(largest(f"timestamp({HEARTBEAT}) - {HEARTBEAT}", "instance"), "{{instance}}"),),
        width=4,
        height=5,
        steps=(Step(None, GREEN), Step(5, YELLOW), Step(10, RED)),
    ),
    Panel(
        Kind.STATE_TIMELINE,
        W("健康检查", "Health checks"),
        W(
            "/health的每个组件随时间，1正常，0异常（哨兵在内）。任何0为坏：看 mmctl health。",
            "Each component of /health over time, the sentinel among them, 1 well, 0 not. Bad: any 0; ask"
            " mmctl health.",
        ),
        "bool",
        (Query(least(at("mm_health"), "instance", "component"), "{{instance}} {{component}}"),),
        width=24,
        height=9,
        steps=GOOD_IS_ONE,
        shown=WELL,
    ),
)

PROCESS = (
    Panel(
        Kind.TIME_SERIES,
        W("CPU使用率", "CPU"),
        W(
            "进程的CPU使用率，1 = 一个核。长时间接近1为坏：循环会滞后。",
            "CPU of the process, 1 = one core. Bad: near 1 for long, where the loop falls behind.",
        ),
        "percentunit",
        (Query(rate("mm_cpu_seconds_total"), "{{instance}}"),),
        width=6,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("内存使用量", "Memory"),
        W(
            "常驻内存，字节。1 GiB黄，2 GiB红；只升不降为坏。",
            "Resident memory, bytes. Bad: 1 GiB amber, 2 GiB red, or rising without end.",
        ),
        "bytes",
        (Query(at("mm_memory_bytes"), "{{instance}}"),),
        width=6,
        steps=steps("mm_memory_bytes"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("磁盘剩余", "Disk free"),
        W(
            "日志数据库所在磁盘的剩余字节，右轴是剩余比例（0到1）。低于15%黄，5%红。",
            "Free bytes where the journal is, and on the right the free share, 0 to 1. Bad: below 15 % amber, 5 % red.",
        ),
        "bytes",
        (
            Query(at("mm_disk_free_bytes"), W("剩余 {{instance}}", "free {{instance}}")),
            Query(at("mm_disk_free_ratio"), W("比例 {{instance}}", "share {{instance}}"), "percentunit", "right"),
        ),
        width=6,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("打开的文件", "Open files"),
        W(
            "打开的文件描述符数和上限。接近上限为坏：新连接会失败。",
            "Open file descriptors and how many may be open, a count. Bad: near the limit, where connections fail.",
        ),
        "short",
        (
            Query(at("mm_open_files"), W("打开 {{instance}}", "open {{instance}}")),
            Query(at("mm_open_files_limit"), W("上限 {{instance}}", "limit {{instance}}"), dashed=True),
        ),
        width=6,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("任务与线程", "Tasks and threads"),
        W(
            "异步任务数（代替Goroutine）和线程数。只升不降为坏：有泄漏。",
            "Asyncio tasks (in place of goroutines) and threads, a count. Bad: rising without end, a leak.",
        ),
        "short",
        (
            Query(at("mm_tasks"), W("任务 {{instance}}", "tasks {{instance}}")),
            Query(at("mm_threads"), W("线程 {{instance}}", "threads {{instance}}")),
        ),
        width=8,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("GC暂停", "GC pauses"),
        W(
            "垃圾回收暂停的P99，秒。10ms黄，50ms红。",
            "P99 of the garbage collector's pauses, seconds. Bad: 10 ms amber, 50 ms red.",
        ),
        "s",
        (Query(quantile(0.99, "mm_gc_pause_seconds"), "P99"),),
        width=8,
        steps=steps("mm_gc_pause_seconds"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("事件循环滞后", "Loop lag"),
        W(
            "定时器晚了多久，P99，秒。10ms黄，100ms红。",
            "How late a timer runs, P99, seconds. Bad: 10 ms amber, 100 ms red.",
        ),
        "s",
        (Query(quantile(0.99, "mm_event_loop_lag_seconds"), "P99"),),
        width=8,
        steps=steps("mm_event_loop_lag_seconds"),
        lines=True,
        least=0,
    ),
)

BOARD = Board(
    "system_health",
    W("系统健康", "System Health"),
    W("进程、主机、行情、日志库和备份是否正常。", "Process, host, feeds, journal and backups."),
    (
        *STATE,
        Row(W("进程与主机", "Process and host")),
        *PROCESS,
        Row(W("行情与交易所", "Feeds and exchange")),
        *FEEDS,
        Row(W("记录", "Records")),
        *RECORDS,
    ),
)
