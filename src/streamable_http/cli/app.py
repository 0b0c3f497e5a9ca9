"""The commands and their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from streamable_http import Failure, StreamError, Timeouts, __version__

from .check import run_check
from .console import QuietConsole
from .exits import Exit, report, say
from .get import DecoderName, Output, run_get
from .mcp import mcp
from .request import Target

__all__ = ["run"]

_CODES = "\n".join(f"{code:>4}  {code.meaning}" for code in Exit)

app: App = App(
    name="streamable-http",
    help=f"Consume HTTP responses that arrive as a stream of items.\n\nExit codes:\n\n{_CODES}",
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,
)

Url = Annotated[str, Parameter(help="Where to, http or https.")]
Header = Annotated[
    list[str] | None,
    Parameter(
        name=["--header", "-H"],
        help="A request header, as 'Name: value'; may be repeated.",
        negative=(),
        consume_multiple=False,
    ),
]
Json = Annotated[str | None, Parameter(help="The request's body, in JSON.")]
Method = Annotated[str | None, Parameter(help="The method; default GET, or POST with a body.")]


def _flag(help: str, *names: str) -> Parameter:
    return Parameter(name=list(names) or None, help=help, negative=())


@app.command
def get(
    url: Url,
    /,
    *,
    decoder: Annotated[
        DecoderName, Parameter(help="How to read the body; auto goes by its Content-Type.")
    ] = "auto",
    method: Method = None,
    json: Json = None,
    header: Header = None,
    terminal: Annotated[
        str | None, Parameter(help="The data that ends the stream, such as '[DONE]'.")
    ] = None,
    failure_event: Annotated[
        str | None, Parameter(help="The type of an event that reports a failure, such as 'error'.")
    ] = None,
    failure_path: Annotated[
        str | None, Parameter(help="A key that only a failure's data has, such as 'error'.")
    ] = None,
    follow: Annotated[bool, _flag("An endless feed: reconnect whenever it ends.")] = False,
    max_items: Annotated[int | None, Parameter(help="Stop after so many items.")] = None,
    timeout: Annotated[
        float | None, Parameter(help="Give up after so many seconds without a byte.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write to this file, not to stdout.")
    ] = None,
    progress: Annotated[bool, _flag("Show on stderr how far it is.")] = False,
    verbose: Annotated[bool, _flag("Log on stderr what happens.", "--verbose", "-v")] = False,
) -> int:
    """Read a stream; print its items as JSON Lines, or as they are with --decoder raw."""
    target = Target.of(url, method=method, body=json, headers=header or ())
    out = Output(path=output, max_items=max_items, progress=progress, verbose=verbose)
    return run_get(
        target,
        out,
        decoder=decoder,
        terminal=terminal,
        failure=_failure(failure_event, failure_path),
        follow=follow,
        timeout=None if timeout is None else Timeouts(first_byte=timeout, idle=timeout),
    )


def _failure(event: str | None, path: str | None) -> Failure | None:
    return None if event is None and path is None else Failure(event=event, path=path)


@app.command
def check(
    url: Url,
    /,
    *,
    method: Method = None,
    body: Json = None,
    header: Header = None,
    seconds: Annotated[float, Parameter(help="How long to watch.")] = 5.0,
    json: Annotated[bool, _flag("Print the findings as JSON.")] = False,
) -> int:
    """Watch a stream for some seconds; tell what it is, and what can be promised for it."""
    target = Target.of(url, method=method, body=body, headers=header or ())
    return run_check(target, seconds=seconds, as_json=json)


@app.command
def serve(
    *,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0 takes a free one.")] = 3001,
) -> int:
    """Run the demo data service until Ctrl-C."""
    from streamable_http.demo.server import serve as run_server

    run_server(host, port, on_ready=lambda url: print(f"serving on {url}", flush=True))
    return Exit.COMPLETE


@app.command
def demo(
    *,
    url: Annotated[
        str | None, Parameter(help="A running service, in place of one of the demo's own.")
    ] = None,
) -> int:
    """Show the library at work on a real service; fail if a record is lost or repeated."""
    from streamable_http.demo.show import run_demo

    return Exit.COMPLETE if run_demo(url) else Exit.FAILED


app.command(mcp)


def run(arguments: Sequence[str]) -> int:
    """Runs the command that the arguments name, and returns its exit code."""
    try:
        code = app(
            arguments,
            console=QuietConsole(),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as exc:
        say(f"{exc}\nsee streamable-http --help")
        return Exit.USAGE
    except StreamError as exc:
        return report(exc)
    except BrokenPipeError:
        raise
    except OSError as exc:
        say(exc.strerror or str(exc))
        return Exit.FAILED
    return code if isinstance(code, int) else Exit.COMPLETE
