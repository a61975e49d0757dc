"""Every metric against hand-computed cases, and what each gives where it is undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.metrics import bias, kendall_tau, mae, mean_and_interval, r2, recall_of_worst, skill, violating_f1
from tasks.table import cell, text_table

NAN = float("nan")
Y = [-2.0, -1.0, 0.0, 1.0, 2.0]


def test_mae_and_bias_by_hand() -> None:
    assert mae(Y, [-1.0, -1.0, 0.0, 3.0, 2.0]) == pytest.approx(3 / 5)
    assert bias(Y, [-1.0, -1.0, 0.0, 3.0, 2.0]) == pytest.approx(3 / 5)
    assert bias(Y, [-3.0, -1.0, 0.0, 2.0, 2.0]) == 0.0
    assert mae(Y, [-3.0, -1.0, 0.0, 2.0, 2.0]) == pytest.approx(2 / 5)


def test_r2_by_hand() -> None:
    assert r2(Y, Y) == 1.0
    assert r2(Y, [0.0] * 5) == 0.0
    assert r2(Y, [2.0, 1.0, 0.0, -1.0, -2.0]) == pytest.approx(1 - 40 / 10)
    assert math.isnan(r2([3.0, 3.0], [1.0, 2.0]))


def test_r2_has_the_truth_in_the_denominator() -> None:
    truth, prediction = [0.0, 1.0], [0.0, 10.0]
    assert r2(truth, prediction) == pytest.approx(1 - 81 / 0.5)
    assert r2(truth, prediction) != r2(prediction, truth)


def test_skill_by_hand() -> None:
    assert skill([0.0, 0.0], [1.0, 0.0], [2.0, 2.0]) == pytest.approx(0.75)
    assert skill([0.0], [2.0], [1.0]) == pytest.approx(-1.0)
    assert math.isnan(skill([1.0], [1.0], [1.0]))


def test_kendall_tau_by_hand() -> None:
    assert kendall_tau([1, 2, 3, 4], [1, 2, 3, 4]) == pytest.approx(1.0)
    assert kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((5 - 1) / 6)
    # tau-b: one tie in the prediction, five pairs agree: 5 / sqrt(6 * 5)
    assert kendall_tau([1, 2, 3, 4], [1, 2, 2, 4]) == pytest.approx(5 / math.sqrt(30))
    assert math.isnan(kendall_tau([1.0], [1.0]))


def test_recall_of_the_worst_by_hand() -> None:
    truth = np.arange(20.0)
    assert recall_of_worst(truth, truth) == 1.0
    assert recall_of_worst(truth, -truth) == 0.0
    swapped = truth.copy()
    swapped[[0, 19]] = swapped[[19, 0]]
    assert recall_of_worst(truth, swapped, 0.2) == pytest.approx(3 / 4)
    assert recall_of_worst([5.0], [1.0]) == 1.0


def test_violating_f1_by_hand() -> None:
    assert violating_f1(Y, Y) == 1.0
    # 2 violate, 1 of them found, 1 false alarm: precision 1/2, recall 1/2
    assert violating_f1(Y, [-1.0, 1.0, -1.0, 1.0, 1.0]) == pytest.approx(0.5)
    assert violating_f1(Y, [1.0] * 5) == 0.0
    assert math.isnan(violating_f1([1.0, 2.0], [-1.0, 1.0]))
    assert violating_f1([0.0, -1.0], [0.0, -1.0]) == 1.0


def test_mean_and_interval_by_hand() -> None:
    mean, half = mean_and_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(1.96 * 1.0 / math.sqrt(3))
    assert mean_and_interval([1.0, NAN, 3.0])[0] == 2.0
    assert math.isnan(mean_and_interval([4.0])[1])
    assert all(math.isnan(value) for value in mean_and_interval([]))


@pytest.mark.parametrize("metric", [mae, bias, r2, kendall_tau, recall_of_worst, violating_f1])
def test_rows_without_a_number_are_left_out(metric: object) -> None:
    assert callable(metric)
    truth, prediction = [NAN, *Y, 1.0, float("inf")], [1.0, *(value * 0.9 for value in Y), NAN, 1.0]
    assert metric(truth, prediction) == metric(Y, [value * 0.9 for value in Y])
    assert math.isnan(metric([NAN, 1.0], [1.0, NAN]))
    assert math.isnan(metric([], []))


def test_the_task_measures_what_it_says() -> None:
    from tasks.task import Predicted, Prediction
    from tasks.timing.task import Timing

    def of(values: list[float]) -> Prediction:
        return Prediction({"setup_slack": Predicted(np.array(values), "pins", np.arange(5), "s", "analytic")})

    metrics = Timing().metrics()
    found = {
        name: function(of([y * 1e-12 for y in Y]), of([y * 1e-12 + 1e-12 for y in Y]))
        for name, (function, *_) in metrics.items()
    }
    assert found["setup slack MAE"] == pytest.approx(1.0)
    assert found["setup slack R2"] == pytest.approx(0.5)
    assert found["Kendall tau"] == pytest.approx(1.0)
    assert {name: (unit, higher) for name, (_, unit, higher) in metrics.items()}["setup slack MAE"] == ("ps", False)


def test_tables_as_people_see_them() -> None:
    rows = [{"row": "a", "n": 1234, "x": 1.5}, {"row": "bb", "n": None, "x": NAN}]
    assert text_table(rows, "title").splitlines() == ["title", "row      n      x", "a    1,234  1.500", "bb"]
    assert text_table([], "nothing") == "nothing"
    assert [cell(value) for value in (None, True, 1000, 0.12345, "x")] == ["", "yes", "1,000", "0.123", "x"]
