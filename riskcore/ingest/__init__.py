"""From a file to prices or returns and findings; nothing is guessed and nothing is changed silently."""

from riskcore.ingest.findings import CODES, Finding
from riskcore.ingest.load import Ingested, load_files, load_prices, read_prices
from riskcore.ingest.surveys import Survey, survey

__all__ = ["CODES", "Finding", "Ingested", "Survey", "load_files", "load_prices", "read_prices", "survey"]
