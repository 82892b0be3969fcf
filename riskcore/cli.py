"""The command ``riskcore``. Heavy imports stay inside the commands, so that help answers at once."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from riskcore import __version__, defaults
from riskcore.errors import ConfigError, RiskcoreError, require

if TYPE_CHECKING:
    from riskcore.ingest import Finding
    from riskcore.runs import Run

BAD_INPUT = 2
DEGRADED = 3
_DATE_FORMAT = "Order of day, month and year (DMY, MDY or YMD) or a strptime format such as %d/%m/%Y, where in doubt."
_MAX_MISSING = f"Largest share of empty cells between first and last price.  [{defaults.MAX_MISSING}]"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stopped(KeyboardInterrupt):
    """A signal to stop, with its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _ConfigFileError(RiskcoreError):
    """A fault of the TOML file, which has keys and no options."""


class _Group(click.Group):
    """Turns errors that are raised on purpose into one message and an exit code; a traceback means a fault of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except _ConfigFileError as error:
            click.echo(f"riskcore: {error}", err=True)
            ctx.exit(BAD_INPUT)
        except RiskcoreError as error:
            from riskcore.runs.wording import as_options

            click.echo(f"riskcore: {as_options(str(error))}", err=True)
            ctx.exit(BAD_INPUT)
        except MemoryError:
            click.echo("riskcore: out of memory; choose a smaller window, fewer models or fewer jobs", err=True)
            ctx.exit(BAD_INPUT)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="riskcore")
def main() -> None:
    """Forecast, backtest and compare expectile VaR, VaR and Expected Shortfall.

    Exit codes: 0 good, 2 bad input or settings, 3 degraded run (over 5 % of the rows are implausible or worse, a
    unit is missing, or the report failed), 130 and 143 interrupted.
    """


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--out", required=True, metavar="DIR", help="Folder of the run; new, or one to be resumed.")
@click.option("--config", metavar="TOML", help="Settings; the command line goes first.")
@click.option("--models", metavar="A,B", help=f"Names, see 'riskcore models'.  [{','.join(defaults.MODELS)}]")
@click.option("--targets", metavar="T,T", help=f"measure:level.  [{','.join(defaults.TARGETS)}]")
@click.option("--window", type=int, metavar="N", help=f"Losses in a fit.  [{defaults.WINDOW}]")
@click.option("--refit-every", type=int, metavar="N", help=f"Days between estimations.  [{defaults.REFIT_EVERY}]")
@click.option("--expanding/--moving", default=None, help="Train on all losses so far, or on the window.  [moving]")
@click.option("--from", "from_", metavar="DATE", help="First day to forecast; earlier losses are still used.")
@click.option("--to", metavar="DATE", help="Last day to forecast.")
@click.option("--jobs", type=int, metavar="N", help="Processes; the results do not depend on it.  [all processors]")
@click.option("--kind", metavar="KIND", help=f"Kind of return: log or simple.  [{defaults.RETURN_KIND}]")
@click.option("--values", metavar="WHAT", help="What the files hold: prices, returns or percent (returns).  [prices]")
@click.option("--weights", metavar="A=W,B=W", help="Weights of a portfolio, judged beside its assets; sum 1.")
@click.option("--exog", metavar="FILE", help="CSV or Parquet file of dates and columns for models that read some.")
@click.option("--date-format", metavar="FORMAT", help=_DATE_FORMAT)
@click.option("--date-column", metavar="NAME", help="Column of the dates, where it is in doubt.")
@click.option("--asset-column", metavar="NAME", help="Column of the assets' names in a long table.")
@click.option("--price-column", metavar="NAME", help="Column of the prices in a long table.")
@click.option("--layout", metavar="LAYOUT", help="wide (a column per asset) or long, where it is in doubt.")
@click.option("--decimal", metavar="SIGN", help="Decimal sign, '.' or ',', where it is in doubt.")
@click.option("--columns", metavar="A,B", help="Columns of prices to read; by default all.")
@click.option("--name", metavar="NAME", help="Name of the asset of a file of one asset.")
@click.option("--header-row", type=int, metavar="N", help="File row of the columns' names, counted from 1.")
@click.option("--max-missing", type=float, metavar="SHARE", help=_MAX_MISSING)
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook that has several.")
@click.option("--no-report", is_flag=True, help="Write no report.html.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def backtest(
    files: tuple[str, ...], out: str, config: str | None, no_report: bool, quiet: bool, from_: str | None, **given: Any
) -> None:
    """Forecast and judge the assets in FILE...

    Every asset is forecast with every model, day by day, from earlier losses only. FILE is a CSV, TSV,
    XLSX or Parquet file of prices. A killed run is resumed by the same command.
    """
    from riskcore.runs import RunInterrupted

    restore = _listen()
    try:
        run = _backtest(files, out, config, {**given, "from": from_}, report=not no_report, quiet=quiet)
    except KeyboardInterrupt as stop:
        _say_stopped(stop, RunInterrupted)
    finally:
        restore()
    _finish(run, quiet)


def _backtest(
    files: tuple[str, ...], out: str, config: str | None, given: dict[str, Any], *, report: bool, quiet: bool
) -> Run:
    from riskcore.runs.config import read_config, settings

    try:
        of_file = read_config(config) if config else {}
    except RiskcoreError as error:
        raise _ConfigFileError(str(error)) from error
    chosen = settings(given, of_file)

    from riskcore.runs.command import execute
    from riskcore.runs.progress import Bar

    if not quiet:
        _tell_of_compiling()
    bar = None if quiet else Bar(sys.stderr)
    try:
        return execute(
            files,
            chosen,
            out,
            progress=bar,
            report=_html_report() if report else None,
            on_findings=None if quiet else _tell,
        )
    finally:
        if bar is not None:
            bar.close()


def _tell_of_compiling() -> None:
    """Say once why the first run takes longer than the ones after it."""
    from riskcore import warmup as room

    if room.first_use():
        text = "note: the numerical kernels are compiled when first used, once on this machine"
        click.echo(f"{text} (about {room.expected_seconds():.0f} s in all); 'riskcore warmup' does it now", err=True)


def _tell(findings: tuple[Finding, ...]) -> None:
    from riskcore.runs.wording import as_options

    for finding in findings:
        click.echo(f"note: {as_options(str(finding))}", err=True)


def _html_report() -> Callable[..., str]:
    from riskcore import report as rooms

    return rooms.html_report


def _finish(run: Run, quiet: bool) -> None:
    if not quiet:
        from riskcore.runs.summary import summary

        click.echo(summary(run))
    if run.degraded or run.report_error:
        if quiet:
            what = "is degraded" if run.degraded else "has no report"
            click.echo(f"riskcore: the run in {run.path} {what}; its manifest says why", err=True)
        click.get_current_context().exit(DEGRADED)


def _listen() -> Callable[[], None]:
    """Make SIGINT and SIGTERM stop the run in order, a second one at once; returns what undoes it."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, lambda again, _: os._exit(128 + again))
        raise _Stopped(number)

    # a signal that was ignored when we were started (a job in the background) stays ignored
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    try:
        before = {number: signal.signal(number, stop) for number in heard}
    except ValueError:  # not the main thread: whoever called us listens
        return lambda: None

    def restore() -> None:
        for number, old in before.items():
            signal.signal(number, old)

    return restore


def _say_stopped(stop: KeyboardInterrupt, kind: type[KeyboardInterrupt]) -> None:
    cause = stop.__cause__ if isinstance(stop, kind) else stop
    number = cause.number if isinstance(cause, _Stopped) else signal.SIGINT
    done = f"{stop}, resume" if isinstance(stop, kind) else "go on"
    click.echo(f"\nriskcore: stopped; {done} with: {shlex.join(['riskcore', *sys.argv[1:]])}", err=True)
    click.get_current_context().exit(128 + number)


@main.command()
@click.argument("directory", metavar="DIR")
@click.option("--quiet", is_flag=True, help="No summary.")
def report(directory: str, quiet: bool) -> None:
    """Rebuild the tables and the report of the run in DIR.

    scores.csv, backtests.csv and report.html are made afresh from the forecast files.
    """
    from riskcore.runs import rebuild_run

    _finish(rebuild_run(directory, report=_html_report()), quiet)


@main.command()
@click.argument("directory", metavar="DIR")
def verify(directory: str) -> None:
    """Recompute the checksums of the run in DIR.

    Lists the files that are missing, changed or unknown; exit code 3 if there are any.
    """
    from riskcore.runs import open_run, verify_run

    found = verify_run(directory)
    for line in found:
        click.echo(line)
    if found:
        click.get_current_context().exit(DEGRADED)
    n_files = len(open_run(directory).manifest["units"])
    click.echo(f"{directory}: {n_files} forecast files and all outputs are as they were written")


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def models(names: tuple[str, ...]) -> None:
    """List the models by short name; of models that are named, formula, use, cost and failure."""
    from riskcore.runs.catalogue import model_card, model_rows
    from riskcore.runs.writing import text_table

    if names:
        click.echo("\n\n".join(model_card(name) for name in names))
        return
    click.echo(text_table(["name", "what it is"], model_rows()))
    click.echo("\nFormula, use, cost and failure of one: riskcore models NAME.")
    click.echo("More by [model.<name>] tables in a TOML file: see 'By command' in README.md.")


@main.command()
def backtests() -> None:
    """List the backtests, what they need and test."""
    from riskcore.runs.catalogue import LETTERS, backtest_rows
    from riskcore.runs.writing import text_table

    click.echo(text_table(["name", "needs", "null hypothesis"], backtest_rows(), left=3))
    click.echo(f"\n{LETTERS}")


@main.command()
@click.option("--port", type=int, default=defaults.PORT, metavar="N", help=f"Port of the server.  [{defaults.PORT}]")
@click.option(
    "--address", default=defaults.ADDRESS, help=f"Address to listen on.  [{defaults.ADDRESS}: this machine only]"
)
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--home", metavar="DIR", help="Folder for uploads and runs.  [RISKCORE_HOME, else ~/.riskcore]")
def dashboard(port: int, address: str, no_browser: bool, home: str | None) -> None:
    """Serve the pages in the browser until stopped.

    Needs streamlit: pip install "riskcore[dashboard]". Whoever can reach the address can use the server; the default
    is this machine alone.
    """
    import importlib.util

    if importlib.util.find_spec("streamlit") is None:
        raise ConfigError('the dashboard needs streamlit, which is not installed: pip install "riskcore[dashboard]"')
    _can_listen(address, port)
    if home is not None:
        os.environ["RISKCORE_HOME"] = _made(home)
    from riskcore.dashboard.launch import launch

    with contextlib.suppress(KeyboardInterrupt):  # how a server is stopped
        launch(port=port, address=address, browser=not no_browser)


def _can_listen(address: str, port: int) -> None:
    """Raise a ConfigError if no server could listen there; the server's own answer would be a traceback."""
    import errno
    import socket

    require(1 <= port <= 65535, f"--port must lie in [1, 65535], got {port}")
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((address, port), family=family):
            return
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"--port must be free, got {port}, which is in use: another dashboard? Try --port {port % 65535 + 1}"
        elif error.errno in (errno.EACCES, errno.EPERM):
            text = f"--port must be one that may be used, got {port}; typical values: 1024 and above"
        else:
            text = f"--address must be one of this machine, got {address!r}: {error.strerror or error}"
        raise ConfigError(text) from error


def _made(home: str) -> str:
    """The folder, made if need be."""
    from pathlib import Path

    folder = Path(home).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--home must be a folder, got {home!r}: {error.strerror}") from error
    require(os.access(folder, os.W_OK), f"--home must be a folder that can be written, got {home!r}")
    return str(folder)


@main.command()
def warmup() -> None:
    """Compile the numerical kernels once.

    The first run then does not wait for it. What is compiled is kept on disk, for this version and this processor.
    """
    from riskcore import warmup as room

    known = room.is_warm()
    about = f"about {room.expected_seconds():.0f} s on a fast processor, once"
    click.echo("the kernels are compiled; checking them" if known else f"compiling the kernels: {about}", err=True)
    redrawn = sys.stderr.isatty()

    def progress(label: str, number: int, left: float) -> None:
        text = f"[{number}/{len(room.STEPS)}] {label}" + ("" if known else f", about {left:.0f} s left")
        click.echo(f"\r{text:<78}" if redrawn else text, nl=not redrawn, err=True)

    done = room.warm(progress)
    click.echo("\r" + 78 * " " + "\r" if redrawn else "", nl=False, err=True)
    for step in done:
        state = f"compiled {step.compiled} kernels" if step.compiled else "was compiled already"
        click.echo(f"{step.label:<24} {step.seconds:6.1f} s  {state}")
    click.echo(f"all kernels are compiled after {sum(s.seconds for s in done):.1f} s; kept in {room.cache_folder()}")
