"""From a file to prices and findings; nothing is guessed and nothing is changed silently."""

from riskcore.ingest.findings import CODES, Finding
from riskcore.ingest.load import Ingested, load_files, load_prices, read_prices

__all__ = ["CODES", "Finding", "Ingested", "load_files", "load_prices", "read_prices"]
