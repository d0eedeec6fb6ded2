"""Scenarios: timelines of facts, played through the decision core without a machine, with expectations."""

from fieldstack.ha.scenario.document import Scenario, ScenarioError, load_scenario
from fieldstack.ha.scenario.play import Played, play

__all__ = ["Played", "Scenario", "ScenarioError", "load_scenario", "play"]
