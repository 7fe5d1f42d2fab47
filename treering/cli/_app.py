"""What the command line takes. Each command is in a module of its own, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "app"]

#: The commands in the order in which help lists them. `treering runs` is `command` of `treering.cli.runs`.
COMMANDS = {
    "runs": "List runs, the newest first.",
    "show": "Show one run: state and reason, config, metrics, machine and code.",
    "tail": "Follow a run: its metrics, output and events as they come.",
    "plot": "Draw metrics as curves in the terminal; every spike shows.",
    "diff": "Compare two runs: config, code, environment and metrics.",
    "ui": "Serve the store to browsers of this machine, and take runs in.",
    "login": "Keep the key of a server that runs are brought to.",
    "sync": "Bring runs to a server: offline ones, and what it has missed.",
    "artifact": "List, get, put, compare, check and clear away artifacts.",
    "alert": "Be told when something happens to a run.",
    "sweep": "Make a sweep of a YAML file, look at it, and steer it.",
    "agent": "Run trials of a sweep, until it is over.",
    "report": "List reports, and write one as a file that opens anywhere.",
    "export": "Write runs as Parquet, CSV or JSON.",
    "delete": "Delete runs for good; asks first.",
    "doctor": "Check the store, and bring in what dead runs left behind.",
    "init": "Make this folder, and all below it, keep its runs here.",
    "merge": "Take runs from bundles and other stores into this one.",
    "import": "Bring in what another tool has recorded: TensorBoard's logs.",
    "completion": "Print the script that makes a shell complete these commands.",
    "version": "Print the version, and what a report of a problem should say.",
}


class _Commands(click.Group):
    """Imports a command when it is called: plotting needs NumPy, listing does not."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        if cmd_name not in COMMANDS:
            return None
        module = "import_" if cmd_name == "import" else cmd_name  # a word that Python keeps for itself
        command: click.Command = import_module(f"treering.cli.{module}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the same
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(context: click.Context, _parameter: click.Parameter, given: bool) -> None:  # click's
    if given:
        from treering.cli.version import one_line

        click.echo(one_line())
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print it.")
def app() -> None:
    """Read, compare and look after what treering has recorded.

    RUN is an id, the beginning of one, a name, project/name, or 'latest'.
    """
