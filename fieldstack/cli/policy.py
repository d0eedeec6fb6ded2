"""`fieldstack policy`: checks, simulates and explains failover policies, and puts them in force."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption

SHIPPED = Path("config/ha/failover_policy.json")

app = typer.Typer(help="Failover policies.", no_args_is_help=True, epilog=epilog())


@app.callback()
def _group() -> None:
    """Failover policies."""


@app.command(epilog=epilog())
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy (JSON).")],
    bus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A bus configuration: judge by its cycle time.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read a policy as the Non-RT process would, and show the worst-case times that follow from it.

    Every fault is named with key, value and remedy. A rule whose worst case exceeds its target_ms is a fault.
    The times are those of a cell as the policy's section `timing` takes it for granted; a slower cell judges
    the policy by its own: --bus shows them.

    Example:

        fieldstack policy check config/ha/failover_policy.json --bus config/ethercat/cell.yaml
    """
    from dataclasses import asdict

    from fieldstack.ha.policy import load_policy
    from fieldstack.ha.policy.display.budget_rows import budget_rows
    from fieldstack.ha.policy.files.cell_targets import require_targets
    from fieldstack.ha.policy.validation.agent_checks import agent_times
    from fieldstack.ha.policy.validation.timing import in_cell, worst_cases
    from fieldstack_ethercat.bus.config.planning import plan_from_file

    policy = load_policy(file)
    plan = plan_from_file(bus) if bus else None
    cycle_us, stop_ms = (plan.cycle_time_ns // 1000, plan.stop_ms) if plan else (0, 0)
    require_targets(policy, str(file), cycle_us=cycle_us, stop_ms=stop_ms)
    here = in_cell(policy, cycle_us=cycle_us, stop_ms=stop_ms)
    cases = worst_cases(here)
    if json:
        agent = [times._asdict() for times in agent_times(here)]
        found: dict[str, Any] = {"worst_cases_ms": [asdict(case) for case in cases], "rt_agent_ms": agent}
        _print_json({"file": str(file), "valid": True, "budgets": budget_rows(policy)} | found)
        return
    from fieldstack.cli.policy_tables import budget_table, worst_case_table
    from fieldstack.cli.screen.terminal import terminal

    typer.echo(f"{file}: valid, {len(policy.rules)} rules for {len(policy.processes)} processes")
    terminal().print(worst_case_table(here, cases))
    terminal().print(budget_table(policy))


@app.command(epilog=epilog())
def facts() -> None:
    """List the facts that rules can use: what they mean, their units, how old readings may be."""
    from fieldstack.cli.policy_tables import fact_table
    from fieldstack.cli.screen.terminal import terminal

    terminal().print(fact_table())


@app.command(epilog=epilog())
def simulate(
    scenario: Annotated[Path, typer.Option(metavar="FILE", help="A timeline of facts (YAML).")],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A policy (JSON); default: the one in ./config/ha.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Play a timeline of facts through the decision and draw what would happen. No real cell is touched.

    Exit code 1: it did not come to what the scenario expects. tests/scenarios/README.md explains the format.

    Example:

        fieldstack policy simulate --scenario tests/scenarios/rt-crash-loop.yaml
    """
    from fieldstack.ha.policy import load_policy
    from fieldstack.ha.scenario import load_scenario, play
    from fieldstack.ha.scenario.draw import draw, to_dict

    played = play(load_scenario(scenario), load_policy(policy or SHIPPED))
    if json:
        _print_json(to_dict(played))
    else:
        from fieldstack.cli.screen.terminal import terminal

        terminal().print(draw(played))
    if played.unmet:
        raise typer.Exit(ExitCode.FAILED)


@app.command(epilog=epilog())
def explain(
    event: Annotated[int, typer.Argument(metavar="NUMBER", help="An event's number: `fieldstack events`.")],
    instance: InstanceOption = INSTANCE,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy, to show the rule as it is now.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say which rule, fact and threshold led to an action that has happened. Works with the cell down, too.

    Example:

        fieldstack policy explain 118 --instance cell-1
    """
    from fieldstack.cli.errors import UsageError
    from fieldstack.cli.options import instance_of
    from fieldstack.events.reader import EventReader
    from fieldstack.ha.policy import load_policy
    from fieldstack.ha.policy.display.explain import UnexplainedError
    from fieldstack.ha.policy.display.explain import explain as explained

    found = next(EventReader(instance_of(instance).state_dir).read(event - 1), None)
    if found is None or found.sequence != event:
        raise UsageError(f"instance {instance} has no event {event}; `fieldstack events` lists them")
    chosen = policy or (SHIPPED if SHIPPED.exists() else None)
    try:
        result = explained(found, load_policy(chosen) if chosen else None)
    except UnexplainedError as error:
        raise UsageError(str(error)) from error
    if json:
        _print_json(result.data)
    else:
        typer.echo("\n".join(result.lines))


class DiagramFormat(StrEnum):
    MARKDOWN = "markdown"
    MERMAID = "mermaid"
    DOT = "dot"


@app.command(epilog=epilog())
def diagram(
    format_: Annotated[
        DiagramFormat, typer.Option("--format", help="A page, a Mermaid diagram, or Graphviz.")
    ] = DiagramFormat.MERMAID,
) -> None:
    """Print the state machine of the cell, generated from its table.

    Example:

        fieldstack policy diagram --format dot | dot -Tsvg > ha-states.svg
    """
    from fieldstack.ha.policy.display.diagram import graphviz, markdown, mermaid

    write = {
        DiagramFormat.MARKDOWN: markdown,
        DiagramFormat.MERMAID: mermaid,
        DiagramFormat.DOT: graphviz,
    }
    typer.echo(write[format_](), nl=False)


def _print_json(data: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, default=str))


@app.command(epilog=epilog())
def reload(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A policy (JSON); default: the one in force, again.")
    ] = None,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Put a policy in force while the cell runs: all of it, or nothing (exit code 1, with the reason).

    Until the next start of the Non-RT process, which reads the file that the cell configuration names.

    Example:

        fieldstack policy reload config/ha/failover_policy.json
    """
    from fieldstack.cli.estop import user
    from fieldstack.cli.requests import ask_and_tell

    path = str(file.resolve()) if file else ""
    ask_and_tell(instance, "reload", by=user(), file=path)
