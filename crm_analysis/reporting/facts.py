"""What a report says beside its chapters: company, dates, definitions of its KPIs, freshness of its data."""

from dataclasses import replace

from crm_analysis.evaluation.display import metric_definitions
from crm_analysis.reporting.html import ReportFacts
from crm_analysis.sources.coverage import coverage_message
from crm_analysis.workspace import Workspace


def make_facts(ws: Workspace, *, lang: str, is_partial: bool = False) -> ReportFacts:
    """Return the facts of a report in one language."""
    words, coverage = ws.speaking(lang).words, ws.result("coverage")
    facts = ReportFacts(
        words=words,
        company=getattr(ws.settings.company, lang),
        quarter=str(ws.quarter),
        last_day=ws.quarter.last_day.isoformat(),
        freshness=ws.result("freshness"),
        is_partial=is_partial,
        warning="" if coverage["is_complete"] else words.say(coverage_message(coverage)),
    )
    if is_partial:
        return facts
    return replace(facts, definitions=metric_definitions(list(ws.result("scorecard")["kpi"]), words=words))
