"""Slack from arrivals: under the true states it is the true slack, for it goes through the engine's own checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.task import Example
from tasks.timing.peers.slacks import timing_of
from tests.tasks.timing_peers.placed import example, public

ROUNDING = 0.05e-12
"""s: where tables fall with the slew, reported late and early slews are exchanged, and margins move a little."""


def assert_reproduced(one: Example) -> None:
    reference = one.labels.reference(one.inputs)
    found = timing_of(one.inputs, reference.arrival, reference.slew)
    for early in (False, True):
        wanted, slack = reference.worst_slack(early=early), found.worst_slack(early=early)
        assert np.isfinite(wanted).any()
        np.testing.assert_array_equal(np.isnan(slack), np.isnan(wanted))
        np.testing.assert_allclose(slack, wanted, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["arbiter_8", "barrel_shift_32", "crc_parallel_32"])
def test_true_states_give_the_true_slack(name: str) -> None:
    assert_reproduced(example(name))


@pytest.mark.data
@pytest.mark.parametrize(("name", "library"), [("tut_gcd", "nangate45"), ("gf_clock", "gf180_7t")])
def test_true_states_give_the_true_slack_of_routed_designs(
    shared_data: Callable[[str], Path], tmp_path: Path, name: str, library: str
) -> None:
    one = public(shared_data, tmp_path, name, library)
    assert_reproduced(one)


def test_a_later_data_arrival_is_less_setup_slack() -> None:
    one = example()
    reference = one.labels.reference(one.inputs)
    later = reference.arrival.copy()
    ends = np.flatnonzero(np.isfinite(reference.worst_slack()))
    later[ends] += 1e-10
    found = timing_of(one.inputs, later, reference.slew)
    np.testing.assert_allclose(found.worst_slack()[ends], reference.worst_slack()[ends] - 1e-10, atol=ROUNDING)
    hold, before = found.worst_slack(early=True)[ends], reference.worst_slack(early=True)[ends]
    np.testing.assert_allclose(hold, before + 1e-10, atol=ROUNDING)


@pytest.mark.data
def test_a_later_clock_arrival_is_more_setup_slack(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Breaks when the capturing clock's arrival is the analysis' own instead of the prediction."""
    one = public(shared_data, tmp_path, "tut_gcd", "nangate45")
    reference, nodes = one.labels.reference(one.inputs), one.inputs.prepared.nodes
    ends = reference.endpoints
    registers = ends.take(np.flatnonzero((ends.clock_node >= 0) & (ends.kind % 2 == 0)))
    later = reference.arrival.copy()
    later[nodes.place[np.unique(registers.clock_node)]] += 1e-11
    found = timing_of(one.inputs, later, reference.slew)
    place = nodes.place[registers.node]
    assert len(place) > 20
    np.testing.assert_allclose(
        found.worst_slack()[place], reference.worst_slack()[place] + 1e-11, rtol=0, atol=ROUNDING
    )


def test_without_a_prediction_there_is_no_slack() -> None:
    one = example()
    reference = one.labels.reference(one.inputs)
    nothing = np.full_like(reference.arrival, np.nan)
    assert np.isnan(timing_of(one.inputs, nothing, reference.slew).worst_slack()).all()
