"""Tables and pictures from results on disk; knows neither models nor attacks."""

from tfblindspots.reports.report import write_report

__all__ = ["write_report"]
