"""What figures, tables and charts are called, in English and Chinese. What each is made of: docs/reports.md."""

from typing import Final

from mmctl.report.document import Words

_TABLE: Final = """
daily | Daily review | 每日复盘
range | Review of several days | 区间复盘
trading | Trading | 交易统计
returns | Returns | 收益分析
risk | Risk | 风险评估
performance | Performance and stability | 系统性能
criteria | Criteria of the stage | 阶段标准
problems | Problems and open points | 问题记录
days | Days | 逐日
day_pnl | Profit of the day | 当日 PnL
cumulative_pnl | Profit in all | 累计 PnL
day_return | Return on capital | 当日收益率
capital | Capital at the day's begin | 当日起始资金
pnl_realized | Realized | 已实现
pnl_unrealized | Unrealized, change | 未实现变化
pnl_spread | Spread | 价差收入
pnl_inventory | Inventory | 库存损益
pnl_fees | Fees | 手续费
pnl_funding | Funding | 资金费
pnl_hedge | Hedge | 对冲
sharpe | Sharpe ratio, a year | 夏普比率（年化）
orders | Orders sent | 总订单数
orders_filled | Filled, at least in part | 成交订单数
orders_full | Filled completely | 完全成交
orders_cancelled | Cancelled | 撤单数
orders_post_only | Would have taken (post-only) | 只挂单被拒或过期
orders_failed | Refused, not sent or unknown | 失败或未知
fill_ratio | Fill ratio | 成交率
success_ratio | Orders accepted | 订单成功率
accuracy_ratio | Order accuracy | 订单准确率
abnormal_ratio | Abnormal orders | 异常订单比例
failed_in_an_hour | Most failed orders in an hour | 每小时最多失败订单
fills | Fills | 成交笔数
bought | Bought | 买入额
sold | Sold | 卖出额
turnover | Turnover | 成交额
maker_share | Maker share | 挂单成交占比
fees_asset | Fees paid | 支付手续费
quote_uptime | Quote uptime, both sides | 双边报价时间占比
quoted_spread | Average quoted spread | 平均报价价差
captured_spread | Spread earned per value traded | 平均捕获价差
max_drawdown | Max drawdown of the day | 当日最大回撤
max_drawdown_quote | Max drawdown, amount | 最大回撤金额
limit_drawdown | Drawdown as the limit counts it | 限额口径回撤
worst_fill | Largest single loss | 最大单笔亏损
trips | Breaker trips | 风控触发次数
halts | of them halted | 其中停机
critical_events | Critical events | 严重事件
warnings | Warnings | 警告
reconciliation | Reconciliation differences | 对账差异
inconsistencies | of them none of our rules mends | 其中规则无法修复
stability | Stability: time seen to run | 系统稳定性
observed | Observed time | 观测时长
gaps | Gaps in the samples | 样本中断
starts | Starts of the engine | 引擎启动次数
crashes | Ends without a word | 非正常结束
latency_ack_mean | Exchange's answer, mean | 交易所应答延迟 均值
latency_ack_p95 | Exchange's answer, p95 | 交易所应答延迟 p95
latency_ack_p99 | Exchange's answer, p99 | 交易所应答延迟 p99
latency_decision_mean | Decision, mean | 决策延迟 均值
latency_decision_p95 | Decision, p95 | 决策延迟 p95
latency_decision_p99 | Decision, p99 | 决策延迟 p99
memory | Memory | 内存
cpu | CPU | CPU
log_errors | Errors in the log | 程序日志错误
errors_in_an_hour | Most errors in an hour | 每小时最多错误
range_pnl | Profit of the period | 区间 PnL
range_return | Return of the period | 区间收益率
range_days | Days with samples | 有样本的天数
best_day | Best day | 最佳日
worst_day | Worst day | 最差日
win_days | Days with a profit | 盈利天数占比
mean_day | Mean day | 日均 PnL
mean_return | Mean daily return | 日均收益率
volatility | Deviation of daily returns | 日收益率标准差
sortino | Sortino ratio, a year | 索提诺比率（年化）
profit_factor | Profit factor | 盈亏比
range_drawdown | Max drawdown over closes | 区间最大回撤（日收盘）
range_intraday | Deepest drawdown within a day | 单日内最大回撤
range_fills | Fills | 成交笔数
range_turnover | Turnover | 成交额
range_orders | Orders sent | 总订单数
range_trips | Breaker trips | 风控触发次数
by_symbol | By instrument | 按交易对
limit_use | Use of the limits | 限额使用
worst_fills | Fills that lost most | 亏损最大的成交
abnormal_events | Abnormal events | 异常事件
gaps_and_starts | Gaps and starts | 中断与启动
config_changes | Changes of the configuration | 配置变更
found_problems | Problems found | 发现的问题
suggestions | Suggestions | 改进建议
open_points | Open points | 待优化项
by_day | Day by day | 逐日明细
day_curve | Profit over the day | 当日收益曲线
day_drawdown | Drawdown over the day | 当日回撤
attribution | Where it came from | 收益归因
markouts | Markouts, bps after so long | 成交后标记收益（基点）
hourly | Traded by the hour: bought up, sold down | 每小时成交额（上买下卖）
inventory | Inventory | 库存
day_bars | Profit by the day | 每日 PnL
cumulative | Profit in all | 累计收益
range_curve_drawdown | Drawdown over closes | 回撤（日收盘）
part_spread | spread | 价差
part_inventory | inventory | 库存
part_fees | fees | 手续费
part_funding | funding | 资金费
part_hedge | hedge | 对冲
part_total | total | 合计
time | time | 时间
symbol | instrument | 交易对
side | side | 方向
price | price | 价格
quantity | quantity | 数量
result | result | 盈亏
trade | trade | 成交号
severity | severity | 级别
kind | kind | 类型
message | message | 内容
times | times | 次数
limit | limit | 限额项
used | used | 已用
allowed | allowed | 限额
share | share | 占比
source | source | 来源
what | what | 内容
length | length | 时长
actor | by | 操作人
keys | keys | 配置项
reason | reason | 原因
wanted | wanted | 目标
found | found | 实际
verdict | verdict | 结论
evidence | evidence | 依据
number | no. | 编号
priority | priority | 优先级
state | state | 状态
age_days | days open | 天数
opened_by | by | 提出人
date | day | 日期
profit | profit | 盈亏
return | return | 收益率
drawdown | drawdown | 回撤
not_known | not known | 未知
unnamed_more | more not shown | 条未显示
events_by_hour | Warnings and critical events by the hour | 每小时警告与严重事件
open_count | open points | 项待办
problem_count | problems | 个问题
missed_count | criteria missed | 项标准未达标
unknown_figures | Not known | 未知
theme | Light or dark | 明暗切换
target | target | 目标
account | account | 账户
zone | zone | 时区
made | made | 生成时间
schema | journal schema | 日志版本
nothing_to_draw | Nothing to draw | 无图
remarks | To know | 说明
about_sources | Money is in {currency}; what is not known is said. | 金额单位为 {currency}。未知者注明原因，不以零代替。
about_sources_none | What is not known is said. | 未知数据注明原因，不以零代替。
"""

LABELS: Final = {
    key.strip(): Words(en.strip(), zh.strip())
    for key, en, zh in (line.split(" | ") for line in _TABLE.strip().splitlines())
}


def label(key: str) -> Words:
    """The name of ``key``. Raises KeyError for one without a name."""
    return LABELS[key]
