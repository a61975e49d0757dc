"""Block-wise equals whole-graph on a design of more than 20,000 pins: STA bit for bit, encoders within 1e-5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from circuitgraph.analysis.sta import analyse
from circuitgraph.analysis.sta_prepare import place_capacitances, prepare
from circuitgraph.analysis.wires import fan_out_wires
from circuitgraph.formats import read
from circuitgraph.library import Library
from circuitgraph.partition import partition
from circuitgraph.pyg import blocks_of, to_data
from circuitgraph.views import logic_view, timing_view
from encoders.encoder import ENCODERS, Schema, make_encoder
from tasks.timing.baselines import FALLBACK

SIZES = (64, 1000, 7777)


@pytest.fixture(scope="module")
def large(root: Path) -> tuple:
    library = Library.merged([read(root / "data" / "library" / "cgl_typ.lib")])
    circuit = read(root / "data" / "netlists" / "systolic_5x5.v", library=library)
    assert int((circuit.pin_net >= 0).sum()) >= 20_000
    return circuit, library


@pytest.mark.parametrize("delay_model", ["lumped_cap", "elmore"])
def test_sta_over_blocks_is_bit_for_bit_the_whole(large: tuple, tmp_path: Path, delay_model: str) -> None:
    circuit, library = large
    sdc = tmp_path / "a.sdc"
    sdc.write_text(
        "create_clock -name c -period 2.0 [get_ports clk]\nset_input_delay 0.2 -clock c [all_inputs]\n"
        "set_output_delay 0.2 -clock c [all_outputs]\nset_propagated_clock [all_clocks]\n"
    )
    from circuitgraph.formats.sdc import read_sdc

    prepared = prepare(circuit, library, read_sdc(sdc, circuit, library))
    capacitance = np.ascontiguousarray(place_capacitances(circuit, library)[:, :2])
    wires = fan_out_wires(circuit, FALLBACK, capacitance)
    whole = analyse(prepared, wires=wires, delay_model=delay_model)
    assert np.isfinite(whole.arrival).any()
    nodes = len(prepared.order)
    for size in SIZES:
        ranges = [(start, min(start + size, nodes)) for start in range(0, nodes, size)]
        part = analyse(prepared, wires=wires, delay_model=delay_model, blocks=ranges)
        assert part.arrival.tobytes() == whole.arrival.tobytes()
        assert part.slew.tobytes() == whole.slew.tobytes()
        assert part.worst_slack().tobytes() == whole.worst_slack().tobytes()
        assert part.worst_slack(early=True).tobytes() == whole.worst_slack(early=True).tobytes()
        assert part.peak_rows < whole.peak_rows


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_over_blocks_equals_the_whole(large: tuple, name: str) -> None:
    view = logic_view(large[0]) if name == "mgvga" else timing_view(*large)  # the former knows logic only
    data = to_data(view)
    encoder = make_encoder(name, Schema.of(data), 0, width=16)
    with torch.no_grad():
        whole = encoder(data)
        for size in SIZES:
            blocks = blocks_of(data, size)
            assert blocks.ranges == partition(view, size).ranges
            found = encoder(data, blocks)
            for one, other in ((found.nodes, whole.nodes), (found.graphs, whole.graphs)):
                assert bool(((one - other).abs() <= 1e-5 * other.abs().clamp(min=1)).all())
