"""The report: one HTML page with everything in it, that opens anywhere and loads nothing."""

from riskcore.report.page import html_report

__all__ = ["html_report"]
