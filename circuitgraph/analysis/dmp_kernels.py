"""Effective capacitance of a gate that drives a pi model, and the waveform behind it: compiled kernels.

The gate is a ramp from 0 to 1 that starts at t0 and takes dt, behind a resistance Rd. Its load is C2 at the gate and C1
behind R. Three unknowns - t0, dt and the effective capacitance Ceff - are found from three equations: into Ceff the
ramp passes the delay threshold and the lower slew threshold when the library's tables say so at Ceff, and until
the tables' transition is over Ceff takes the same charge as the pi model. The delay is the table's at Ceff; the slew
is measured on the waveform at the gate, and delay and slew of a sink on that waveform behind one more pole, 1 over
its Elmore delay.

For a ramp of slope 1 into a network with the poles -p1, -p2 the voltage is ``u - m + a exp(-p1 u) + b exp(-p2 u)``:
m is its first moment, a and b are residues; a ramp that ends after dt is the difference of two.

A waveform is float64 [WAVE], seconds: whether there is one (0 or 1), t0, dt, m, p1, a, p2, b, p3, c (a third pole,
of a sink), the times of the delay threshold, the lower and the upper slew threshold. Levels are float64 [4]: delay
threshold, lower and upper slew threshold, slew derate.

Source: F. Dartu, N. Menezes, L. T. Pileggi, Performance Computation for Precharacterized CMOS Gates with RC Loads, IEEE
TCAD 15 (1996). The limits of the cases, the resistance and where steps end were found by experiments with OpenSTA
2.0.17, whose answers they are to give: where the steps go astray, its fallback holds, the table at the whole load.
"""

from __future__ import annotations

import math
from typing import Any

from circuitgraph.analysis.nldm_kernels import _kernel_lookup
from circuitgraph.kernels import compiled

WAVE = 13
SMALL = 1e-3
"""Below this share a part of the load is left out: R of Rd, C1 of C2, C2 of C1, an Elmore delay of the slew."""
LOAD_SHARE, LOAD_STEP = 0.75, 1.1
"""Rd is the slope of the delay table between this share of the load and that many times as much."""
LONGEST = 1.4
"""Charge is compared over the tables' transition, but over no more than this many ramps."""
TOLERANCE, STEPS = 0.01, 100
CLOSE = 1e-4
"""A crossing is found when a Newton step is below this share of the ramp: the next one would be its square."""
TABLES = "int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1]"


@compiled("UniTuple(float64, 2)(float64[::1], float64)")
def _kernel_response(wave: Any, u: Any) -> Any:
    """Voltage at time *u*, above 0, of an endless ramp of slope 1 that starts at 0, and its derivative."""
    decay = wave[5] * math.exp(-wave[4] * u)
    voltage, slope = u - wave[3] + decay, 1.0 - wave[4] * decay
    if wave[7] != 0.0:
        decay = wave[7] * math.exp(-wave[6] * u)
        voltage += decay
        slope -= wave[6] * decay
    if wave[9] != 0.0:
        decay = wave[9] * math.exp(-wave[8] * u)
        voltage += decay
        slope -= wave[8] * decay
    return voltage, slope


@compiled("float64(float64[::1], float64, float64)")
def _kernel_crossing(wave: Any, level: Any, guess: Any) -> Any:
    """Time at which a waveform passes a level, by Newton steps that stay in a bracket; NaN when none is found."""
    start, ramp = wave[1], wave[2]
    low, high = start, math.inf
    at = max(guess, start + 1e-3 * ramp)
    for _ in range(60):
        u = at - start
        voltage, slope = _kernel_response(wave, u)
        if u > ramp:
            ended, rate = _kernel_response(wave, u - ramp)
            voltage -= ended
            slope -= rate
        miss = voltage - level * ramp
        if miss < 0.0:
            low = at
        else:
            high = at
        following = at - miss / slope if slope > 0.0 else math.inf
        if not low < following < high:
            following = 0.5 * (low + high) if high < math.inf else at + ramp + wave[3]
            at = following
            continue
        if abs(following - at) <= CLOSE * ramp:
            return following
        at = following
    return math.nan


@compiled("void(float64[::1], float64[::1], float64, float64)")
def _kernel_measure(wave: Any, levels: Any, middle: Any, lower: Any) -> Any:
    """Times of the three levels into the waveform, from guesses of two of them."""
    wave[10] = _kernel_crossing(wave, levels[0], middle)
    wave[11] = _kernel_crossing(wave, levels[1], lower)
    rest = (levels[2] - levels[0]) / (levels[0] - levels[1])
    wave[12] = _kernel_crossing(wave, levels[2], wave[10] + rest * (wave[10] - wave[11]))


@compiled("void(float64, float64, float64, float64, float64[::1])")
def _kernel_poles(rd: Any, c2: Any, r: Any, c1: Any, wave: Any) -> Any:
    """Moment, poles and residues at the gate, into the waveform; one pole where C2 is 0."""
    wave[8] = wave[9] = 0.0
    if c2 == 0.0:
        wave[3] = wave[5] = rd * c1
        wave[4] = 1.0 / ((rd + r) * c1)
        wave[6] = wave[7] = 0.0
        return
    square, linear = r * rd * c1 * c2, rd * (c1 + c2) + r * c1
    root = math.sqrt(linear * linear - 4.0 * square)
    p1, p2 = (linear + root) / (2.0 * square), 2.0 / (linear + root)
    zero, gain = 1.0 / (r * c1), 1.0 / (rd * c2)
    wave[3] = rd * (c1 + c2)
    wave[4], wave[5] = p1, gain * (zero - p1) / ((p2 - p1) * p1 * p1)
    wave[6], wave[7] = p2, gain * (zero - p2) / ((p1 - p2) * p2 * p2)


@compiled("UniTuple(float64, 4)(float64, float64, float64)")
def _kernel_into_capacitor(u: Any, ramp: Any, tau: Any) -> Any:
    """Voltage of a capacitor behind a ramp that ends after *ramp*, and what a step takes for its derivatives.

    They are by start, ramp and tau. Once the ramp is over, the one by *ramp* is not the true one: the steps of OpenSTA
    2.0.17 add the two ramps there instead of subtracting them (found by experiments). Where steps end does
    not depend on it, but how many they are, and whether they end, does.
    """
    if u <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    decay = math.exp(-u / tau)
    on, rate = u - tau * (1.0 - decay), 1.0 - decay
    by_tau = u / tau * decay - rate
    off = ended = 0.0
    if u > ramp:
        u -= ramp
        decay = math.exp(-u / tau)
        off, ended = u - tau * (1.0 - decay), 1.0 - decay
        by_tau -= u / tau * decay - ended
    return (on - off) / ramp, (ended - rate) / ramp, (ended - (on + off) / ramp) / ramp, by_tau / ramp


@compiled("UniTuple(float64, 3)(float64[::1], float64, float64)")
def _kernel_charge(wave: Any, tau: Any, end: Any) -> Any:
    """Charge that the load takes until *end* beyond that of a capacitor, its rate, and its derivative by tau.

    All three times Rd and ramp. A load's current is what the ramp is ahead of the gate, over Rd:
    m - a exp(-p1 u) - b exp(-p2 u); of a capacitor, tau (1 - exp(-u / tau)).
    """
    decay = math.exp(-wave[4] * end)
    charge = wave[3] * end - wave[5] / wave[4] * (1.0 - decay)
    rate = wave[3] - wave[5] * decay
    decay = math.exp(-wave[6] * end)
    charge -= wave[7] / wave[6] * (1.0 - decay)
    rate -= wave[7] * decay
    decay = math.exp(-end / tau)
    charge -= tau * (end - tau * (1.0 - decay))
    return charge, rate - tau * (1.0 - decay), 2.0 * tau * (1.0 - decay) - end * (1.0 + decay)


@compiled(
    "UniTuple(float64, 3)(float64, float64, float64, float64, float64, float64[::1], float64, float64, bool, "
    "float64[::1])"
)
def _kernel_step(
    start: Any,
    ramp: Any,
    ceff: Any,
    delay: Any,
    transition: Any,
    levels: Any,
    rd: Any,
    end: Any,
    is_pi: Any,
    wave: Any,
) -> Any:
    """Newton step of t0, dt and Ceff, s, s and F; NaN where there is none. The tables' times are held.

    Takes:
        start, ramp, ceff: where the step begins.
        delay, transition: of the tables at *ceff*.
        levels, rd, wave: thresholds; Rd, ohm; poles and residues.
        end: time until which charges are compared. Their derivatives are taken over the ramp alone.
        is_pi: False: Ceff is known.
    """
    tau = rd * ceff
    early = delay - transition * (levels[0] - levels[1]) / (levels[2] - levels[1])
    v1, a1, b1, c1 = _kernel_into_capacitor(delay - start, ramp, tau)
    v2, a2, b2, c2 = _kernel_into_capacitor(early - start, ramp, tau)
    miss1, miss2 = levels[0] - v1, levels[1] - v2
    if not is_pi:
        determinant = a1 * b2 - a2 * b1
        if determinant == 0.0:
            return math.nan, math.nan, math.nan
        return (miss1 * b2 - miss2 * b1) / determinant, (a1 * miss2 - a2 * miss1) / determinant, 0.0
    charge, rate, by_tau = _kernel_charge(wave, tau, ramp)
    b0, c0 = rate - 2.0 * charge / ramp, by_tau * rd
    if end != ramp:
        charge = _kernel_charge(wave, tau, end)[0]
    miss0 = -charge * ramp / end
    c1, c2 = c1 * rd, c2 * rd
    if a1 == 0.0:
        return math.nan, math.nan, math.nan
    share = a2 / a1
    b, c, miss = b2 - share * b1, c2 - share * c1, miss2 - share * miss1
    determinant = b0 * c - b * c0
    if determinant == 0.0:
        return math.nan, math.nan, math.nan
    longer = (miss0 * c - miss * c0) / determinant
    more = (b0 * miss - b * miss0) / determinant
    return (miss1 - b1 * longer - c1 * more) / a1, longer, more


@compiled(f"float64({TABLES}, int64, int64, float64, float64, float64, bool, float64[::1], float64[::1])")
def _kernel_fit(
    shape: Any,
    axis: Any,
    first: Any,
    axes: Any,
    values: Any,
    table: Any,
    slew_table: Any,
    x: Any,
    rd: Any,
    total: Any,
    is_pi: Any,
    levels: Any,
    wave: Any,
) -> Any:
    """Effective capacitance, F, with t0 and dt into the waveform; NaN where the steps leave what is possible.

    Without *is_pi* Ceff is the whole load. Steps end at 1 %, as OpenSTA's do: the last step is far better than that.
    """
    ceff = total
    delay = _kernel_lookup(shape, axis, first, axes, values, table, x, ceff)
    transition = _kernel_lookup(shape, axis, first, axes, values, slew_table, x, ceff) * levels[3]
    swing = levels[2] - levels[1]
    ramp = transition / swing
    if not ramp > 0.0:
        return math.nan
    start = delay + math.log(1.0 - levels[0]) * rd * ceff - levels[0] * ramp
    for _ in range(STEPS):
        end = min(transition / swing, LONGEST * ramp)
        early = delay - transition * (levels[0] - levels[1]) / swing
        move, longer, more = _kernel_step(start, ramp, ceff, delay, transition, levels, rd, end, is_pi, wave)
        start += move
        ramp += longer
        ceff += more
        if not (0.0 < ceff <= total and ramp > 0.0):
            return math.nan
        if abs(move) <= TOLERANCE * abs(start) and abs(longer) <= TOLERANCE * ramp and abs(more) <= TOLERANCE * ceff:
            wave[1], wave[2], wave[10], wave[11] = start, ramp, delay, early
            return ceff
        if is_pi:
            delay = _kernel_lookup(shape, axis, first, axes, values, table, x, ceff)
            transition = _kernel_lookup(shape, axis, first, axes, values, slew_table, x, ceff) * levels[3]
    return math.nan


@compiled(
    f"UniTuple(float64, 3)({TABLES}, int64, int64, float64, float64, float64, float64, float64[::1], float64[::1])"
)
def _kernel_gate(
    shape: Any,
    axis: Any,
    first: Any,
    axes: Any,
    values: Any,
    table: Any,
    slew_table: Any,
    x: Any,
    c2: Any,
    r: Any,
    c1: Any,
    levels: Any,
    wave: Any,
) -> Any:
    """Delay and table slew, s, of a gate with a pi model as its load, and the effective capacitance, F.

    Takes:
        shape, axis, first, axes, values: tables of the library.
        table, slew_table: rows of the delay and the slew table, the latter -1 where there is none.
        x: slew at the input, s.
        c2, r, c1: the load, F, ohm, F.
        levels: thresholds.
        wave: filled with the waveform, or marked as none: the load is a capacitor, or there is no solution.
    """
    total = c2 + c1
    wave[0] = 0.0
    ceff = total
    if slew_table >= 0 and total > 0.0:
        low, high = LOAD_SHARE * total, LOAD_SHARE * LOAD_STEP * total
        rise = _kernel_lookup(shape, axis, first, axes, values, table, x, high)
        rise -= _kernel_lookup(shape, axis, first, axes, values, table, x, low)
        rd = abs(rise) / (high - low)
        if rd > 0.0 and r >= SMALL * rd and c1 >= SMALL * c2 and c1 > 0.0:
            is_pi = c2 >= SMALL * c1
            _kernel_poles(rd, c2 if is_pi else 0.0, r, c1, wave)
            if not is_pi:
                total = c1
            ceff = _kernel_fit(shape, axis, first, axes, values, table, slew_table, x, rd, total, is_pi, levels, wave)
            if math.isnan(ceff):
                ceff = c2 + c1
            else:
                _kernel_measure(wave, levels, wave[10], wave[11])
                if wave[12] > wave[11]:
                    wave[0] = 1.0
                    if not is_pi:
                        return wave[10], (wave[12] - wave[11]) / levels[3], ceff
    delay = _kernel_lookup(shape, axis, first, axes, values, table, x, ceff)
    if wave[0] != 0.0:
        return delay, (wave[12] - wave[11]) / levels[3], ceff
    slew = 0.0
    if slew_table >= 0:
        slew = max(0.0, _kernel_lookup(shape, axis, first, axes, values, slew_table, x, ceff))
    return delay, slew, ceff


@compiled("UniTuple(float64, 2)(float64[::1], float64, float64, float64[::1], float64[::1])")
def _kernel_sink(wave: Any, elmore: Any, slew: Any, levels: Any, sunk: Any) -> Any:
    """Delay from the gate to a sink and the table slew there, s.

    Takes:
        wave: waveform at the gate.
        elmore: Elmore delay of the sink, s.
        slew: table slew at the gate, s; at a sink it is not less.
        levels: thresholds.
        sunk: scratch, float64 [WAVE].
    """
    if wave[0] == 0.0 or elmore < SMALL * slew:
        return elmore, slew
    pole = 1.0 / elmore
    for known in (wave[4], wave[6]):
        if abs(pole - known) < 1e-5 * known:
            pole = known * 1.00001
    sunk[1], sunk[2], sunk[3] = wave[1], wave[2], wave[3] + elmore
    sunk[4], sunk[5] = wave[4], wave[5] * pole / (pole - wave[4])
    sunk[6], sunk[7] = wave[6], wave[7] * pole / (pole - wave[6])
    sunk[8], sunk[9] = pole, sunk[3] - sunk[5] - sunk[7]
    _kernel_measure(sunk, levels, wave[10] + elmore, wave[11] + elmore)
    delay, found = sunk[10] - wave[10], (sunk[12] - sunk[11]) / levels[3]
    if math.isnan(delay) or math.isnan(found):
        return elmore, slew
    if delay < 0.0:
        delay = elmore
    return delay, max(found, slew)
