"""Tables and pictures from results on disk; knows neither models nor attacks."""

from tfblindspots.reports.model_zoo import model_index_markdown
from tfblindspots.reports.quality_card import quality_card_lines, quality_card_markdown
from tfblindspots.reports.report import write_report

__all__ = ["model_index_markdown", "quality_card_lines", "quality_card_markdown", "write_report"]
