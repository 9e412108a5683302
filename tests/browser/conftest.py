"""A small report made by hand, in both languages: every kind of block, through the real ``show``."""

import nbformat
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from crm_analysis.base import style
from crm_analysis.base.words import Words, message
from crm_analysis.reporting.html import ReportFacts, render_report
from crm_analysis.reporting.show import Card, Show

LANGUAGES = ("zh", "en")
# sentences that real chapters take from their catalogues
NAMES = {
    "t.summary": ("本季净收入 ¥1,286.4万，环比增长 {x:percent}；7 项目标中 4 项达标，首次响应时长离目标最远。",
                  "Net revenue is up {x:percent} on last quarter; four of seven targets are met, and first response "
                  "time is furthest from its target."),
    "t.segments": ("“重要价值客户”占客户数 {a:percent}，却贡献 {b:percent} 的消费金额；其中 {n:int} 人超期未下单。",
                   "Champions are {a:percent} of customers and {b:percent} of spend; {n:int} of them are past their "
                   "own purchase rhythm."),
    "t.risk": ("“重要挽留客户”消费占比环比下降 2.1个百分点。",
               "The share of spend of those to win back fell by 2.1 pp on last quarter."),
    "t.alt": ("横向条形图：各类客户的消费占比，由高到低，重要价值客户最高，为 41.2%。",
              "Bar chart: share of spend by type, from high to low; important customers lead with 41.2%."),
    "t.aid": ("条形为消费占比，右侧数字为该类客户数；颜色在全报告中保持一致。",
              "Bars show the share of spend, the numbers customers; a colour means the same type everywhere."),
    "t.grid": ("最近购买得分与购买频率得分越高，人均消费越高；左下角客户最多、金额最低。",
               "The more recent and frequent, the higher the mean spend; most customers sit at the lower left."),
    "t.grid_aid": ("每格为人均消费（千元）；颜色越深金额越高。", "Mean spend per cell in thousands; darker is higher."),
    "t.caption": ("各类客户的规模与贡献", "Size and contribution of each type"),
    "t.score": ("核心指标对照目标", "Key figures against their targets"),
    "t.note": ("口径：净收入已扣除退款；n 为有效样本量；样本量低于 30 的指标不作判断。",
               "Net revenue is after refunds; n is the sample; figures with n below 30 are not judged."),
    "t.missing": ("未提供问卷表。补充后可分析满意率、NPS 与各层级回收率。",
                  "The surveys table was not given. With it, satisfaction, NPS and response rates would stand here."),
    "metric.retention.name": ("客户留存率", "Customer retention rate"),
    "metric.response.name": ("平均首次响应时长", "Mean first response time"),
    "metric.revenue.name": ("净收入", "Net revenue"),
    "metric.satisfaction.name": ("客户满意率", "Satisfaction rate"),
    "metric.complaints.name": ("客户投诉率", "Complaint rate"),
    "metric.renewal.name": ("合同续约率", "Contract renewal rate"),
    "metric.orders.name": ("客单价", "Average order value"),
    "column.year_ago_change": ("同比变化", "Change on last year"),
    "column.attainment_share": ("达成率", "Attainment"),
    "column.recency_median_days": ("最近购买天数（中位数）", "Days since last order (median)"),
    "column.channel": ("购买渠道", "Sales channel"),
    "column.row_count": ("行数", "Rows"),
    "column.newest_date": ("最新日期", "Newest date"),
    "table.orders": ("订单", "orders"),
    "table.customers": ("客户", "customers"),
    "table.interactions": ("互动记录", "interactions"),
    "segment.important_value": ("重要价值客户", "Important: value"),
    "segment.important_development": ("重要发展客户", "Important: develop"),
    "segment.important_retention": ("重要保持客户", "Important: retain"),
    "segment.important_winback": ("重要挽留客户", "Important: win back"),
    "segment.general_value": ("一般价值客户", "General: value"),
    "segment.general_development": ("一般发展客户", "General: develop"),
    "segment.general_retention": ("一般保持客户", "General: retain"),
    "segment.general_winback": ("一般挽留客户", "General: win back"),
}  # fmt: skip
TYPES = ("important_value", "important_development", "important_winback", "important_retention", "general_value",
         "general_development", "general_winback", "general_retention")  # fmt: skip
HISTORY = {
    "revenue": (9.4, 9.9, 12.8, 10.1, 10.6, 11.0, 13.9, 12.9),
    "retention": (0.79, 0.80, 0.815, 0.81, 0.82, 0.818, 0.823, 0.824),
    "response": (5.1, 5.4, 5.0, 5.9, 6.1, 5.8, 6.6, 6.4),
}


def sizes() -> pd.DataFrame:
    """One row per type, richest first, with a channel whose name must do no harm."""
    return pd.DataFrame(
        {
            "segment": TYPES,
            "customer_count": [612, 438, 267, 391, 702, 655, 903, 344],
            "customer_share": np.round(np.array([612, 438, 267, 391, 702, 655, 903, 344]) / 4312, 4),
            "order_count": [9184, 3022, 2011, 3704, 3310, 1402, 1590, 1204],
            "spend_amount": [5_299_800.5, 2_161_000, 1_582_300, 1_453_700, 1_003_400, 617_500, 488_800, 257_300],
            "spend_share": [0.412, 0.168, 0.123, 0.113, 0.078, 0.048, 0.038, 0.02],
            "recency_median_days": [12.0, 21.5, 148.0, 96.0, 18.0, 24.5, 201.0, 88.0],
            "channel": ["微信小程序", "门店", "<script>alert(1)</script>", "官网", "门店", "官网", "电话 & 到店", None],
        }
    )


def scorecard(lang: str) -> pd.DataFrame:
    """Texts in the KPI's own unit, as the evaluation hands them over."""
    point = "个百分点" if lang == "zh" else " pp"
    return pd.DataFrame(
        {
            "kpi": ["retention", "satisfaction", "complaints", "renewal", "response", "orders"],
            "value": ["82.4%", "91.3%", "4.1%", "93.8%", "6.4", "¥412"],
            "target": ["≥ 80.0%", "≥ 90.0%", "≤ 5.0%", "≥ 95.0%", "≤ 4", "—"],
            "attainment_share": [1.03, 1.014, 1.22, 0.987, 0.625, None],
            "change": [f"+0.1{point}", f"-0.6{point}", f"-0.3{point}", f"±0.0{point}", "+3.2%", "+1.8%"],
            "year_ago_change": [f"+0.4{point}", f"+1.2{point}", f"-0.9{point}", f"-1.1{point}", "+4.9%", "—"],
            "n": [3018, 846, 4312, 64, 2207, 31427],
            "status": ["good", "good", "good", "watch", "bad", "no_target"],
        }
    )


def cards(words: Words) -> list[Card]:
    """Six cards: all statuses, with and without history."""
    zh = words.lang == "zh"
    last, year = ("环比 ", "同比 ") if zh else ("on last quarter ", "on last year ")
    pp = "个百分点" if zh else " pp"
    name = {id_: words.word(f"metric.{id_}.name") for id_ in
            ("revenue", "retention", "response", "satisfaction", "renewal", "complaints")}  # fmt: skip
    return [
        Card(name["revenue"], words.format_money(12_864_000), "no_target", "", f"{last}+7.4% · {year}+11.2%", 31427,
             HISTORY["revenue"]),
        Card(name["retention"], "82.4%", "good", "≥ 80.0%", f"{last}+0.1{pp} · {year}+0.4{pp}", 3018,
             HISTORY["retention"]),
        Card(name["response"], "6.4 小时" if zh else "6.4 h", "bad", "≤ 4 小时" if zh else "≤ 4 h",
             f"{last}+3.2% · {year}+4.9%", 2207, HISTORY["response"]),
        Card(name["satisfaction"], "91.3%", "good", "≥ 90.0%", f"{last}-0.6{pp}", 846, (None, 0.9, 0.91, None, 0.913)),
        Card(name["renewal"], "93.8%", "watch", "≥ 95.0%", f"{year}-1.1{pp}", 64),
        Card(name["complaints"], "—", "too_small", "≤ 5.0%", "", 12),
    ]  # fmt: skip


def plot_spend(table: pd.DataFrame, *, words: Words):
    """Sorted bars, labelled directly."""
    figure, ax = style.new_figure(height=3.4)
    labels = [words.word(f"segment.{slug}") for slug in table["segment"]]
    frame = table.assign(label=labels)
    colors = {label: style.segment_color(slug) for label, slug in zip(labels, table["segment"], strict=True)}
    sns.barplot(frame, x="spend_share", y="label", hue="label", palette=colors, ax=ax, saturation=1, legend=False)
    texts = [f"{words.format_percent(s)} · {words.format_int(n)}" for s, n in
             zip(table["spend_share"], table["customer_count"], strict=True)]  # fmt: skip
    style.label_bars(ax, texts)
    style.tidy(ax)
    ax.set(xlabel="", ylabel="")
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    return figure


def plot_grid(*, words: Words):
    """A heat map with a number in every cell."""
    figure, ax = style.new_figure(height=3.2)
    grid = pd.DataFrame([[0.3 + 0.42 * r * (0.4 + 0.3 * f) for f in range(1, 6)] for r in range(1, 6)],
                        index=range(1, 6), columns=range(1, 6))  # fmt: skip
    sns.heatmap(grid.iloc[::-1], ax=ax, cmap=style.sequential_map(), annot=True, fmt=".1f", linewidths=2,
                linecolor="white", cbar=False)  # fmt: skip
    zh = words.lang == "zh"
    ax.set(xlabel="购买频率得分" if zh else "Frequency score", ylabel="最近购买得分" if zh else "Recency score")
    return figure


def notebook(name: str, words: Words, chapter) -> nbformat.NotebookNode:
    """Return an executed notebook: markdown of both languages, one code cell per block."""
    cells: list = []

    def markdown(zh: str, en: str) -> None:
        cells.extend(
            new_markdown_cell(text, metadata={"tags": [f"lang-{lang}"]}, id=f"c{len(cells)}-{lang}")
            for lang, text in (("zh", zh), ("en", en))
        )

    def emit(data: dict, metadata: dict) -> None:
        output = new_output("display_data", data=data, metadata=metadata)
        cells.append(new_code_cell("show(...)", outputs=[output], id=f"c{len(cells)}"))

    chapter(markdown, Show(words, emit=emit), words)
    return new_notebook(cells=cells, metadata={"crm_analysis": {"name": name}})


def summary(markdown, show: Show, words: Words) -> None:
    """Chapter with findings, cards and a scorecard."""
    markdown("# 经营摘要\n\n面向管理层：本季客户经营是否健康，需要作出哪些决定。",
             "# Summary\n\nFor management: is the customer base healthy, and what must be decided?")  # fmt: skip
    markdown("## 本季概览", "## This quarter at a glance")
    show(message("t.summary", x=0.074))
    show(cards(words))
    show.note("t.note")
    markdown("## 指标与目标", "## Figures against targets")
    show(scorecard(words.lang), id="scorecard", caption="t.score", note="t.note")


def segmentation(markdown, show: Show, words: Words) -> None:
    """Chapter with figures, a wide table and an empty section."""
    markdown("# 客户分层\n\n面向销售与市场负责人：资源应优先投向哪些客户。",
             "# Segmentation\n\nFor heads of sales and marketing: which customers come first?")  # fmt: skip
    markdown("## 客户规模与贡献", "## Size and contribution")
    show(message("t.segments", a=0.142, b=0.412, n=38))
    show(plot_spend(sizes(), words=words), id="spend-by-type", alt="t.alt", aid="t.aid")
    show(message("t.risk"))
    show(sizes(), id="type-sizes", caption="t.caption", note="t.note")
    markdown("## 最近购买与频率", "## Recency and frequency\n\nA *short* remark with a list:\n\n- one\n- two")
    show(message("t.grid"))
    show(plot_grid(words=words), id="rfm-grid", alt="t.grid", aid="t.grid_aid")
    markdown("## 客户满意度", "## Satisfaction")
    show.missing("t.missing")


def make_report(lang: str) -> str:
    """Return the page of the sample."""
    names = {id_: {"zh": zh, "en": en} for id_, (zh, en) in NAMES.items()}
    words = Words(lang, names=names)
    facts = ReportFacts(
        words=words,
        company="示例商贸（演示数据）" if lang == "zh" else "Sample Trading (demo data)",
        quarter="2025Q3",
        last_day="2025-09-30",
        definitions=[
            (words.word("metric.retention.name"), words.word("t.aid")),
            (words.word("metric.response.name"), words.word("t.note")),
        ],
        freshness=pd.DataFrame(
            {
                "table": ["orders", "customers", "interactions"],
                "row_count": [81_204, 5_000, 34_811],
                "newest_date": pd.to_datetime(["2025-09-30", "2025-09-28", "2025-08-02"]),
                "status": ["good", "good", "watch"],
            }
        ),
    )
    notebooks = [notebook("0_summary", words, summary), notebook("2_segmentation", words, segmentation)]
    return render_report(notebooks, words=words, facts=facts)


@pytest.fixture(scope="session")
def sample_reports(tmp_path_factory):
    """Paths of the sample report, by language."""
    folder = tmp_path_factory.mktemp("sample")
    paths = {}
    for lang in LANGUAGES:
        paths[lang] = folder / f"report.{lang}.html"
        paths[lang].write_text(make_report(lang), "utf-8")
    return paths
