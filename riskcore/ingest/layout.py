"""Which column is the date, which are prices, and whether the table is wide, long or one asset's OHLCV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskcore.errors import require
from riskcore.ingest.dates import looks_like_dates
from riskcore.ingest.findings import Report, clean_name, escape
from riskcore.ingest.header import not_a_table
from riskcore.ingest.options import Options
from riskcore.ingest.table import Table, is_blank


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_DATE_WORDS = _words(
    "date dates day datetime time timestamp tradedate tradingdate tradingday asof asofdate pricedate datum fecha data",
    "tag period observationdate dt",
)
_ASSET_WORDS = _words(
    "asset assets ticker tickers symbol symbols instrument ric isin cusip sedol code stock security permno tic",
    "secid assetid identifier name",
)
_ADJUSTED = _words("adjclose adjustedclose closeadj closeadjusted adjustedprice adjclosing adjustedclosingprice")
_RETURNS = _words(
    "return returns ret rets performance perf totalreturn dailyreturn dailyreturns logreturn logreturns simplereturn",
    "pctreturn returnpct chgpct changepct pctchange changepercent",
)
_CLOSES = _words(
    "close closes price prices last closelast closeprice closingprice closing pxlast lastprice settle settlement value"
)
_RANGE = _words("open high low")
_AUXILIARY = _RANGE | _words(
    "volume vol turnover trades change chg changepct pctchange changepercent vwap dividends dividend stocksplits",
    "splits capitalgains openinterest amount marketcap bid ask currency openingprice highprice lowprice exchange",
)


@dataclass(frozen=True)
class Roles:
    """Positions of the columns: of the date, of the asset (long tables), and of each price with its asset's name."""

    date: int
    asset: int | None
    prices: list[tuple[int, str]]


def key(name: str) -> str:
    """A name without case, blanks and signs: ``Adj. Close*`` is ``adjclose``."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("%", "pct"))


def find_roles(table: Table, options: Options, stem: str, report: Report) -> Roles:
    """What each column is; the mapping is told as a finding."""
    facts, noun = report.facts, report.noun
    date = _date(table, options, report)
    facts.date_column = column_name(table, date)
    free = _free(table, date, options, report)
    asset = _asset(table, free, options, report)
    if asset is not None:
        facts.layout, facts.asset_column = "long", column_name(table, asset)
        price = _long_price(table, [i for i in free if i != asset], options, report)
        facts.price_columns = ((column_name(table, price), ""),)
        names = table.names
        text = f"long: dates in '{names[date]}', assets in '{names[asset]}', {noun}s in '{names[price]}'"
        report.add("accepted", "layout", text)
        return Roles(date, asset, [(price, table.names[price])])
    if not free:
        report.fail(
            "no_price_column",
            f"the file has no column beside '{table.names[date]}'",
            rows=[table.header_row],
            remedy=f"Give one column of {noun}s per asset.",
        )
    facts.layout = "wide"
    if options.columns is not None or options.price_column is not None:
        prices = _selected(table, free, options, stem, report)
    else:
        prices = _one_asset(table, free, stem, options) or [(i, table.names[i]) for i in free]
    if options.name is not None:
        require(len(prices) == 1, f"name must stand for one asset, got {len(prices)} price columns")
        prices = [(prices[0][0], clean_name(options.name))]
    facts.price_columns = tuple((column_name(table, i), asset) for i, asset in prices)
    _duplicates(table, prices, report)
    _tell(table, date, free, prices, report)
    return Roles(date, None, prices)


def column_name(table: Table, i: int) -> str:
    """A column's name in the file, or its number if it has none."""
    return table.names[i] or str(i + 1)


def _numbers(options: Options) -> tuple[frozenset[str], ...]:
    """Names of columns of prices, or of returns, the best first."""
    return (_ADJUSTED, _CLOSES) if options.values == "prices" else (_RETURNS, _ADJUSTED, _CLOSES)


def _position(table: Table, name: str, report: Report) -> int:
    where = [i for i, known in enumerate(table.names) if known == clean_name(name)]
    where = where or [i for i, known in enumerate(table.names) if known.lower() == clean_name(name).lower()]
    if len(where) != 1:
        known = ", ".join(f"'{escape(x)}'" for x in table.names[:12])
        what = "no column" if not where else f"{len(where)} columns"
        remedy = "Pass a name of the header."
        report.fail("unknown_column", f"{what} of the name '{escape(name)}'; there are {known}", remedy=remedy)
    return where[0]


def _date(table: Table, options: Options, report: Report) -> int:  # noqa: RET503 (fail never returns)
    if options.date_column is not None:
        return _position(table, options.date_column, report)
    named = [i for i, name in enumerate(table.names) if key(name) in _DATE_WORDS]
    good = [i for i in named if looks_like_dates(table.columns[i], serials=True)]
    good += [i for i, column in enumerate(table.columns) if looks_like_dates(column)]
    if options.date_format is not None:
        good.append(0)
    if good or named:
        return (good or named)[0]
    if len(table.names) == 1:
        not_a_table(table.names[0], table.header_row, report)
    shown = ", ".join(f"'{escape(name)}'" for name in table.names[:8])
    report.fail(
        "no_date_column",
        f"no column of dates among {shown}",
        rows=[table.header_row],
        sample=next(iter(table.columns[0]), ""),
        remedy="Name it 'date', or pass date_column.",
    )


def _free(table: Table, date: int, options: Options, report: Report) -> list[int]:
    """Columns that may hold prices: all but the date, empty nameless ones and a counter of rows."""
    free = []
    for i, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        if i == date:
            continue
        if name == "" or re.fullmatch(r"unnamed:? ?\d+", name.lower()):
            if all(is_blank(cell) for cell in column):
                report.add("fixed", "blank_column", f"column {i + 1} is empty and was left out")
            elif i == 0 and _counts(column):
                report.add("fixed", "index_column", "the first column counts the rows and was left out")
            elif options.columns is None and options.price_column is None:
                report.error(
                    "blank_column_name",
                    f"column {i + 1} has values but no name",
                    rows=[table.header_row],
                    sample=next(cell for cell in column if not is_blank(cell)),
                    remedy="Name it, or leave it out with columns=[...].",
                )
            continue
        free.append(i)
    return free


def _counts(column: Sequence[object]) -> bool:
    try:
        numbers = [int(str(cell)) for cell in column]
    except ValueError:
        return False
    return numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _asset(table: Table, free: list[int], options: Options, report: Report) -> int | None:
    """The column of asset names of a long table, None for a wide one."""
    if options.layout == "wide":
        return None
    if options.asset_column is not None:
        return _position(table, options.asset_column, report)
    named = [i for i in free if key(table.names[i]) in _ASSET_WORDS]
    if len(free) > 1:
        texts = [i for i in named if _is_text(table, i)]
        if texts:
            return texts[0]
        if options.layout == "long":
            texts = named or [i for i in free if _is_text(table, i)]
            if len(texts) == 1:
                return texts[0]
    if options.layout == "long":
        shown = ", ".join(f"'{escape(name)}'" for name in table.names[:8])
        remedy = "Pass asset_column, or layout='wide'."
        report.fail(
            "no_asset_column", f"no column of asset names among {shown}", rows=[table.header_row], remedy=remedy
        )
    return None


def _is_text(table: Table, i: int) -> bool:
    shown = [str(cell) for cell in table.columns[i][:200] if not is_blank(cell)]
    return sum(any(char.isalpha() for char in text) for text in shown) > 0.5 * max(1, len(shown))


def _long_price(table: Table, free: list[int], options: Options, report: Report) -> int:
    if options.price_column is not None:
        return _position(table, options.price_column, report)
    for words in _numbers(options):
        found = [i for i in free if key(table.names[i]) in words]
        if found:
            return found[0]
    numeric = [i for i in free if not _is_text(table, i) and key(table.names[i]) not in _AUXILIARY]
    if len(numeric) != 1:
        shown = ", ".join(f"'{escape(table.names[i])}'" for i in free[:8])
        text = f"the column of {report.noun}s of a long table is not clear among {shown}"
        report.fail("no_price_column", text, rows=[table.header_row], remedy="Pass price_column, or layout='wide'.")
    return numeric[0]


def _selected(table: Table, free: list[int], options: Options, stem: str, report: Report) -> list[tuple[int, str]]:
    """The price columns that the user names. To choose is not to rename: a file of one asset keeps its name."""
    if isinstance(options.columns, Mapping):
        return [(_position(table, name, report), clean_name(asset)) for name, asset in options.columns.items()]
    names = [options.price_column] if options.columns is None else options.columns
    prices = [(_position(table, name, report), clean_name(name)) for name in names if name is not None]
    lone = _one_asset(table, free, stem, options)
    if len(prices) == 1 and lone and key(table.names[prices[0][0]]) in _AUXILIARY.union(*_numbers(options)):
        return [(prices[0][0], lone[0][1])]
    return prices


def _one_asset(table: Table, free: list[int], stem: str, options: Options) -> list[tuple[int, str]] | None:
    """The price column of a file of one asset, which takes the file's stem; None if the file holds several."""
    keys = {i: key(table.names[i]) for i in free}
    closes = [i for words in _numbers(options) for i in free if keys[i] in words]
    rest = [i for i in free if i not in closes]
    has_range = len(_RANGE & set(keys.values())) >= 2
    if closes and (has_range or all(keys[i] in _AUXILIARY for i in rest)):
        return [(closes[0], stem or table.names[closes[0]])]
    return None


def _duplicates(table: Table, prices: list[tuple[int, str]], report: Report) -> None:
    for name, count in Counter(name for _, name in prices).items():
        if count > 1:
            where = [str(i + 1) for i, other in prices if other == name]
            report.error(
                "duplicate_column",
                f"'{escape(name)}' is the name of columns {', '.join(where)}",
                rows=[table.header_row],
                column=name,
                count=count,
                remedy="Give every column its own name.",
            )


def _tell(table: Table, date: int, free: list[int], prices: list[tuple[int, str]], report: Report) -> None:
    dates = f"dates in '{table.names[date]}'"
    if len(prices) == 1:
        i, asset = prices[0]
        beside = ", ".join(f"'{table.names[j]}'" for j in free if j != i)
        text = f"one asset: {dates}, {report.noun}s of '{asset}' in '{table.names[i]}'" + (
            beside and f"; not used: {beside}"
        )
    else:
        text = f"wide: {dates}, {len(prices)} assets"
    report.add("accepted", "layout", text)
