"""The half of the system's health that is not the process: feeds and exchange, journal, backups, log."""

from typing import Final

from mmctl.monitoring.boards.expressions import at, each, instrument, largest, least, rate, total
from mmctl.monitoring.boards.model import BLUE, GREEN, RED, YELLOW, Kind, Panel, Query, Step, Words, steps

W = Words

GOOD_IS_ONE: Final = (Step(None, RED), Step(1, GREEN))
SHOWN: Final = 'level=~"warning|error|critical"'
HOUR: Final = 3600.0
#: A copy a day is made; 26 hours is when the configuration's own check says that one was missed.
BACKUP: Final = (Step(None, GREEN), Step(26 * HOUR, YELLOW), Step(50 * HOUR, RED))


FEEDS = (
    Panel(
        Kind.TIME_SERIES,
        W("行情年龄", "Feed age"),
        W(
            "订单簿上次更新以来的时间，秒，取最旧的。2秒黄，5秒红：停止报价。",
            "Age of the book's last update, seconds, of the oldest. Bad: 2 s amber, 5 s red, where quoting stops.",
        ),
        "s",
        (Query(largest(at("mm_feed_age_seconds"), "instance", "feed"), "{{instance}} {{feed}}"),),
        width=6,
        steps=steps("mm_feed_age_seconds"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("重连与缺口", "Reconnects"),
        W(
            "区间内的重连次数（按数据流）和行情序号缺口次数。频繁重连为坏：看网络。",
            "Reconnects by stream and gaps in the book's sequence, a count in the interval. Bad: many of them; look at"
            " the network.",
        ),
        "short",
        (
            Query(
                total(f"increase({at('mm_feed_reconnects_total')}[$__rate_interval])", "feed"),
                W("重连 {{feed}}", "reconnects {{feed}}"),
            ),
            Query(total(f"increase({at('mm_feed_gaps_total')}[$__rate_interval])"), W("缺口", "gaps")),
        ),
        width=6,
        least=0,
    ),
    Panel(
        Kind.STAT,
        W("连接", "Connected"),
        W(
            "每个数据流是否连接（1为好）和订单簿是否可用（1为好）。0为坏。",
            "Whether each stream is connected and each book is live, 1 is good. Bad: 0.",
        ),
        "bool_yes_no",
        (
            Query(least(at("mm_feed_connected"), "feed"), "{{feed}}"),
            Query(
                least(at("mm_book_live"), *each("mm_book_live")),
                W("订单簿 " + instrument("mm_book_live"), "book " + instrument("mm_book_live")),
            ),
        ),
        width=6,
        steps=GOOD_IS_ONE,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("时钟偏差", "Clock skew"),
        W(
            "本机时钟减交易所时钟，秒。0.25秒黄，0.5秒红：交易所会拒单。",
            "This host's clock minus the exchange's, seconds. Bad: 0.25 s amber, 0.5 s red; the exchange"
            " refuses orders.",
        ),
        "s",
        (Query(at("mm_clock_skew_seconds"), "{{instance}}"),),
        width=6,
        steps=steps("mm_clock_skew_seconds"),
        lines=True,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("行情消息", "Market messages"),
        W(
            "每秒收到的行情消息数。掉到0为坏。",
            "Market messages a second. Bad: 0.",
        ),
        "ops",
        (Query(total(rate("mm_feed_messages_total"), "instance"), "{{instance}}"),),
        width=8,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("对账", "Reconciliations"),
        W(
            "区间内和交易所对账的次数，按结果。differed或failed不为0为坏。",
            "Comparisons with the exchange by result, a count in the interval. Bad: any differed or failed.",
        ),
        "short",
        (Query(total(f"increase({at('mm_reconciliations_total')}[$__rate_interval])", "result"), "{{result}}"),),
        width=8,
        least=0,
    ),
    Panel(
        Kind.STAT,
        W("上次一致以来", "Since it last agreed"),
        W(
            "上一次和交易所对账一致以来的时间，秒。超过5分钟为坏。",
            "Time since engine and exchange last agreed, seconds. Bad: more than 5 minutes.",
        ),
        "s",
        (Query(f"time() - {largest(at('mm_reconciled_timestamp_seconds'), 'instance')}", "{{instance}}"),),
        width=8,
        steps=(Step(None, GREEN), Step(120, YELLOW), Step(300, RED)),
    ),
)

RECORDS = (
    Panel(
        Kind.TIME_SERIES,
        W("日志库滞后", "Journal lag"),
        W(
            "最旧的未落盘记录的年龄，秒。1秒黄，5秒红。",
            "Age of the oldest record not yet durable, seconds. Bad: 1 s amber, 5 s red.",
        ),
        "s",
        (Query(at("mm_journal_lag_seconds"), "{{instance}}"),),
        width=6,
        steps=steps("mm_journal_lag_seconds"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("日志库队列", "Journal queue"),
        W(
            "还没落盘的记录数。5000黄，15000红。",
            "Records not yet durable, a count. Bad: 5,000 amber, 15,000 red.",
        ),
        "short",
        (Query(at("mm_journal_queue"), "{{instance}}"),),
        width=6,
        steps=steps("mm_journal_queue"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.STAT,
        W("备份年龄", "Backup age"),
        W(
            "上一次完好备份以来的时间，秒；没有数据表示从未备份。26小时黄，50小时红。",
            "Time since the last sound backup, seconds; no data means that none is known. Bad: 26 h amber, 50 h red.",
        ),
        "s",
        (Query(f"time() - {largest(at('mm_backup_timestamp_seconds'), 'instance')}", "{{instance}}"),),
        width=6,
        steps=BACKUP,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("错误日志", "Log errors"),
        W(
            "区间内的日志行数，按级别，另有丢掉的行。error或critical增加为坏；上线计划：一小时超过10个。",
            "Log lines by level, and lines dropped, a count in the interval. Bad: errors; more than 10 an hour by the"
            " rollout.",
        ),
        "short",
        (
            Query(
                total(f"increase({at('mm_log_lines_total', SHOWN)}[$__rate_interval])", "level"),
                "{{level}}",
            ),
            Query(total(f"increase({at('mm_log_lines_dropped_total')}[$__rate_interval])"), W("丢弃", "dropped")),
        ),
        width=6,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("日志库记录", "Journal records"),
        W(
            "每秒记录数，按去向。spilled、dropped或rejected不为0为坏。",
            "Records a second, by where they went. Bad: any spilled, dropped or rejected.",
        ),
        "ops",
        (Query(total(rate("mm_journal_records_total"), "kind"), "{{kind}}"),),
        width=6,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("HTTP", "HTTP"),
        W(
            "每秒的HTTP应答（按类别）和被拒绝的连接（按原因）。5xx或被拒绝为坏。",
            "HTTP answers by class, and connections turned away by reason, a second. Bad: 5xx, or any turned away.",
        ),
        "ops",
        (
            Query(total(rate("mm_http_requests_total"), "code"), "{{code}}"),
            Query(total(rate("mm_http_turned_away_total"), "reason"), W("拒绝 {{reason}}", "away {{reason}}")),
        ),
        width=6,
        least=0,
    ),
    Panel(
        Kind.STAT,
        W("日志库与连接", "Journal and connections"),
        W(
            "日志数据库是否正常（1为好）和HTTP连接数。数据库为0为坏：停止报价。",
            "Whether the database takes records (1 is good), and connections to the listener, a count. Bad: 0; quoting"
            " stops.",
        ),
        "bool_yes_no",
        (
            Query(least(at("mm_journal_healthy"), "instance"), W("日志库 {{instance}}", "journal {{instance}}")),
            Query(
                total(at("mm_http_connections"), "instance"),
                W("连接 {{instance}}", "connections {{instance}}"),
                "short",
                steps=(Step(None, BLUE),),
            ),
        ),
        width=6,
        steps=steps("mm_journal_healthy"),
    ),
    Panel(
        Kind.STAT,
        W("租约", "Lease"),
        W(
            "是否持有租约（1为是）、租约的代数和距上次证实的时间（秒）。年龄超过5秒黄，10秒红。",
            "Whether the lease is held (1 = yes), its epoch, and seconds since it was last proved. Bad: 5 s amber, 10 s"
            " red.",
        ),
        "short",
        (
            Query(at("mm_lease_held"), W("持有 {{instance}}", "held {{instance}}"), "bool_yes_no"),
            Query(at("mm_lease_epoch"), W("代数 {{instance}}", "epoch {{instance}}")),
            Query(
                at("mm_lease_age_seconds"),
                W("年龄 {{instance}}", "age {{instance}}"),
                "s",
                steps=steps("mm_lease_age_seconds"),
            ),
        ),
        width=6,
    ),
)
