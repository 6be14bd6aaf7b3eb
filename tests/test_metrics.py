"""Metrics equal scikit-learn's: live where it can be imported, recorded values everywhere.

``python tests/test_metrics.py`` writes the recorded values afresh (needs scikit-learn).
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy.typing import NDArray

from nnlite.train import metrics
from nnlite.train.metrics.inputs import log_softmax

try:
    import sklearn.calibration
    import sklearn.metrics as oracle
except ImportError:
    oracle = None

NAMES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")
AVERAGES = ("macro", "micro", "weighted")
AVERAGED = ("precision", "recall", "f1", "roc_auc", "average_precision")
ONE_CLASS = ("balanced_accuracy", "matthews_corrcoef", "top_1_accuracy", "top_2_accuracy")
CLASSIFICATION = (
    *NAMES,
    "average_precision",
    *ONE_CLASS,
    *(f"{name}_{average}" for name in AVERAGED for average in AVERAGES),
)
REGRESSION = ("mse", "rmse", "mae", "r2")
TOLERANCE = 1e-12
RANKS = re.compile("roc_auc|average_precision")

# Ties within and between the classes, a logit of exactly 0, both kinds of error.
BINARY = (
    np.array([2.5, -1.0, 0.5, 0.5, 0.0, -3.0, 1.25, 0.5, -0.75, 0.0, 3.0, -1.0]),
    np.array([1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1]),
)
# Class 2 is never the target but predicted once; class 3 occurs in neither; a tie in row 4.
CLASSES = (
    np.array(
        [
            [2.0, 0.5, -1.0, -2.0],
            [0.25, 1.5, 0.0, -1.0],
            [-1.0, 0.0, 2.0, 0.5],
            [1.0, -0.5, 0.25, 0.0],
            [0.75, 0.75, 0.0, -3.0],
            [-2.0, 1.0, 0.5, 0.25],
        ]
    ),
    np.array([0, 1, 0, 1, 1, 1]),
)
# Every class is there, as the area under the curve needs.
COMPLETE = (CLASSES[0][:, :3], np.array([0, 1, 2, 1, 2, 0]))
# The last label is rare; one sample has all its labels right.
LABELS = (
    CLASSES[0][:, :3],
    np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0]]),
)
OUTPUTS = (
    np.array([2.5, -1.0, 0.5, 0.25, 0.0, -3.0, 1.25]),
    np.array([2.0, -1.5, 0.5, 1.0, -0.25, -3.5, 3.0]),
)
# The second column of the target is constant.
SEVERAL_OUTPUTS = (
    np.array([[1.0, 2.0, 3.0], [0.5, 2.0, -1.0], [0.0, 2.5, 0.25], [2.0, 1.5, 0.0]]),
    np.array([[1.5, 2.0, 2.5], [0.5, 2.0, -1.5], [0.25, 2.0, 1.0], [1.0, 2.0, 0.5]]),
)
DATA = {
    "binary": BINARY,
    "classes": CLASSES,
    "complete": COMPLETE,
    "labels": LABELS,
    "outputs": OUTPUTS,
    "several outputs": SEVERAL_OUTPUTS,
}
REFERENCE = Path(__file__).parent / "reference" / "metrics.json"
RECORDED: dict[str, float] = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}


def weights(count: int) -> NDArray[np.float64]:
    """Uneven weights; one is zero."""
    return (np.arange(count) * 5 % 7) / 4.0


def ours(name: str) -> Callable[..., float]:
    """The metric that the Trainer takes for a name."""
    return metrics.resolve(name)[name]


def from_oracle(name: str, outputs: Any, target: Any, weight: Any) -> float:
    """The value of scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without samples
        return float(_from_oracle(name, outputs, target, weight))


def _from_oracle(name: str, outputs: Any, target: Any, weight: Any) -> Any:
    options: dict[str, Any] = {"sample_weight": weight}
    if name in REGRESSION:
        names = {"mse": "mean_squared", "rmse": "root_mean_squared", "mae": "mean_absolute"}
        function = "r2_score" if name == "r2" else f"{names[name]}_error"
        return getattr(oracle, function)(target, outputs, **options)
    several = target.ndim == 2
    if outputs.ndim == 1 or several:
        probability = 1.0 / (1.0 + np.exp(-outputs))
        guess = (outputs > 0).astype(int)
    else:
        probability = np.exp(log_softmax(outputs))
        guess = outputs.argmax(axis=1)
    labels = range(2 if outputs.ndim == 1 else outputs.shape[1])
    if name in ("log_loss", "brier"):
        function = {"log_loss": oracle.log_loss, "brier": oracle.brier_score_loss}[name]
        if several:
            columns = [
                function(target[:, k], probability[:, k], labels=[0, 1], **options)
                for k in range(target.shape[1])
            ]
            return np.mean(columns)
        return function(target, probability, labels=labels, **options)
    if name == "balanced_accuracy":
        return oracle.balanced_accuracy_score(target, guess, **options)
    if name == "matthews_corrcoef":
        return oracle.matthews_corrcoef(target, guess, **options)
    if name.startswith("top_"):
        k = int(name.split("_")[1])
        scores = 1000 * outputs  # those within [0, 1] would be taken for probabilities
        return oracle.top_k_accuracy_score(target, scores, k=k, labels=labels, **options)
    if name == "accuracy":
        return oracle.accuracy_score(target, guess, **options)
    name, _, average = name.rpartition("_") if name.endswith(AVERAGES) else (name, "", "")
    if average:
        options["average"] = average
    elif outputs.ndim == 2:
        options["average"] = "macro"
    if outputs.ndim == 2 and not several and len(np.unique(target)) < outputs.shape[1]:
        several = True  # scikit-learn takes classes from the target alone; so it sees them all
        target = np.eye(outputs.shape[1], dtype=int)[target] if RANKS.match(name) else target
    if name == "average_precision":
        return oracle.average_precision_score(target, probability, **options)
    if name == "roc_auc":
        if outputs.ndim == 2 and not several:
            options |= {"multi_class": "ovr", "labels": labels}
        return oracle.roc_auc_score(target, probability, **options)
    return getattr(oracle, f"{name}_score")(target, guess, zero_division=0, **options)


def cases() -> list[tuple[str, str, bool]]:
    """Every metric on every data set that it is for, without and with weights."""
    chosen = []
    for data, (outputs, target) in DATA.items():
        names: tuple[str, ...] = REGRESSION if "outputs" in data else CLASSIFICATION
        for name in names:
            if data == "classes" and RANKS.match(name):
                continue  # classes without samples
            if target.ndim == 2 and name in ONE_CLASS:
                continue
            if outputs.ndim == 1 and name == "top_2_accuracy":
                continue
            chosen += [(name, data, False), (name, data, True)]
    return chosen


@pytest.mark.parametrize(("name", "data", "weighted"), cases())
def test_recorded_values(name: str, data: str, weighted: bool) -> None:
    outputs, target = DATA[data]
    weight = weights(len(target)) if weighted else None
    value = ours(name)(outputs, target, sample_weight=weight)
    assert type(value) is float
    assert value == pytest.approx(RECORDED[key(name, data, weighted)], rel=0, abs=TOLERANCE)


def key(name: str, data: str, weighted: bool) -> str:
    """How a value is named in the record."""
    return f"{name}, {data}, {'weighted' if weighted else 'unweighted'}"


needs_oracle = pytest.mark.skipif(oracle is None, reason="scikit-learn is not installed")


@needs_oracle
def test_the_record_is_right() -> None:
    assert set(RECORDED) == {key(*case) for case in cases()}
    for name, data, weighted in cases():
        outputs, target = DATA[data]
        weight = weights(len(target)) if weighted else None
        recorded = RECORDED[key(name, data, weighted)]
        expected = from_oracle(name, outputs, target, weight)
        assert recorded == pytest.approx(expected, rel=0, abs=TOLERANCE), (name, data, weighted)


@needs_oracle
@pytest.mark.parametrize("kind", ["binary", "two columns", "classes", "labels", "regression"])
def test_equal_to_scikit_learn_on_random_data(kind: str) -> None:
    random = np.random.default_rng(sum(map(ord, kind)))
    for count in (8, 60, 500):
        classes = {"binary": 2, "two columns": 2}.get(kind, 5)
        shape = (count,) if kind == "binary" else (count, classes)
        outputs = random.normal(size=shape, scale=16).round() / 8  # many ties, exact ones
        if kind == "regression":
            target = outputs + random.normal(size=shape)
        else:
            target = random.integers(2 if kind == "labels" else classes, size=count)
            target[:classes] = np.arange(classes)
            if kind == "labels":
                target = random.integers(2, size=shape)
                target[:2] = [[0], [1]]
        names = REGRESSION if kind == "regression" else CLASSIFICATION
        for name in filter(partial(suits, kind), names):
            scores = outputs
            if kind == "two columns" and RANKS.match(name):
                scores = outputs[:, 1] - outputs[:, 0]  # of class 1 alone
            for weight in (None, random.exponential(size=count)):
                value = ours(name)(outputs, target, sample_weight=weight)
                expected = from_oracle(name, scores, target, weight)
                assert value == pytest.approx(expected, rel=0, abs=TOLERANCE), name


def suits(kind: str, name: str) -> bool:
    """Whether scikit-learn has this metric for this kind of target."""
    if kind == "labels":
        return name not in ONE_CLASS
    return not (name.startswith("top_") and kind == "two columns") and not (
        name == "top_2_accuracy" and kind == "binary"
    )


def may_be_undefined(name: str, outputs: Any, target: Any, weight: Any) -> bool:
    """Whether these data lack what the metric needs."""
    if name == "r2":
        return len(target) < 2
    counted = target if weight is None else target[weight > 0]
    if name.startswith(("precision", "recall", "f1")):
        return not counted.any()
    columns = counted.reshape(len(counted), -1) if outputs.ndim == 1 or target.ndim == 2 else None
    if columns is None:
        return not name.endswith("micro") and len(set(counted.tolist())) < outputs.shape[1]
    if name.endswith("micro"):
        columns = columns.reshape(-1, 1)
    shares = columns.mean(axis=0)
    return bool((shares == 0).any() or (name.startswith("roc_auc") and (shares == 1).any()))


def eighths(low: int, high: int) -> st.SearchStrategy[float]:
    """Numbers whose sums are exact, and that often are equal."""
    return st.integers(low, high).map(lambda number: number / 8)


@st.composite
def samples(draw: Any, kind: str) -> tuple[Any, Any, Any]:
    """Outputs, target and weights (or None) of a task."""
    count = draw(st.integers(1, 12))
    classes = draw(st.integers(3, 4))
    columns = 1 if kind == "binary" else classes
    rows = st.lists(eighths(-24, 24), min_size=columns, max_size=columns)
    outputs = np.array(draw(st.lists(rows, min_size=count, max_size=count)))
    if kind == "binary":
        outputs = outputs[:, 0]
    if kind == "regression":
        target = outputs + np.array(draw(st.lists(rows, min_size=count, max_size=count)))
    else:
        top = classes - 1 if kind == "classes" else 1
        shape = outputs.shape if kind == "labels" else (count,)
        size = math.prod(shape)
        flat = draw(st.lists(st.integers(0, top), min_size=size, max_size=size))
        target = np.array(flat).reshape(shape)
    heavy = st.lists(eighths(0, 24), min_size=count, max_size=count).filter(any)
    weight = draw(st.none() | heavy.map(np.array))
    return outputs, target, weight


@needs_oracle
@pytest.mark.parametrize("kind", ["binary", "classes", "labels", "regression"])
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=40)
def test_equal_to_scikit_learn_whatever_the_data(kind: str, data: Any) -> None:
    outputs, target, weight = data.draw(samples(kind))
    names = REGRESSION if kind == "regression" else CLASSIFICATION
    for name in filter(partial(suits, kind), names):
        value = metrics.evaluate(metrics.resolve(name), outputs, target, sample_weight=weight)[name]
        if math.isnan(value):
            assert may_be_undefined(name, outputs, target, weight)
            continue
        expected = from_oracle(name, outputs, target, weight)
        assert value == pytest.approx(expected, rel=0, abs=TOLERANCE), name


@needs_oracle
@hypothesis.given(data=samples("binary"))
@hypothesis.settings(max_examples=60)
def test_curves_equal_scikit_learn(data: tuple[Any, Any, Any]) -> None:
    scores, target, weight = data
    counted = target if weight is None else target[weight > 0]
    options = {"sample_weight": weight}
    if counted.any() and not counted.all():
        for drop in (True, False):
            expected = oracle.roc_curve(target, scores, drop_intermediate=drop, **options)
            found = metrics.roc_curve(scores, target, drop_intermediate=drop, **options)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE)
    if counted.any():
        expected = oracle.precision_recall_curve(target, scores, **options)
        found = metrics.precision_recall_curve(scores, target, **options)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE)
    classes = {"labels": [0, 1], **options}
    matrix = metrics.confusion_matrix(scores, target, **options)
    expected = oracle.confusion_matrix(target, scores > 0, **classes)
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=TOLERANCE)
    for share in ("true", "pred", "all"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 0/0
            expected = oracle.confusion_matrix(target, scores > 0, normalize=share, **classes)
        matrix = metrics.confusion_matrix(scores, target, normalize=share, **options)
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=TOLERANCE)


@needs_oracle
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@hypothesis.given(data=samples("binary"), bins=st.integers(1, 7))
@hypothesis.settings(max_examples=40)
def test_calibration_equals_scikit_learn(
    strategy: Any, data: tuple[Any, Any, Any], bins: int
) -> None:
    scores, target, weight = data
    p = (scores + 3.0) / 6.0  # 0 and 1 occur
    hypothesis.assume(0 < target.sum() < len(target))
    found = metrics.calibration_curve(p, target, n_bins=bins, strategy=strategy)
    expected = sklearn.calibration.calibration_curve(target, p, n_bins=bins, strategy=strategy)
    np.testing.assert_allclose(found.prob_true, expected[0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.prob_pred, expected[1], rtol=0, atol=TOLERANCE)
    assert found.counts.sum() == len(p)
    if weight is None or strategy == "quantile":
        return
    often = (8 * weight).astype(int)  # a weight counts as so many samples
    found = metrics.calibration_curve(p, target, n_bins=bins, sample_weight=often)
    repeated = metrics.calibration_curve(np.repeat(p, often), np.repeat(target, often), n_bins=bins)
    for one, other in zip(found, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE)


def test_the_area_is_the_share_of_ordered_pairs() -> None:
    logits, target = BINARY
    wins = [
        (high > low) + 0.5 * (high == low)
        for high in logits[target == 1]
        for low in logits[target == 0]
    ]
    assert metrics.roc_auc(logits, target) == pytest.approx(np.mean(wins), rel=0, abs=1e-15)


def test_a_logit_of_exactly_zero_is_negative() -> None:
    assert metrics.accuracy([0.0, -0.0], [0, 0]) == 1.0
    assert metrics.confusion_matrix([0.0], [1]).tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_confusion_matrix_counts_true_class_by_row() -> None:
    logits, target = CLASSES
    expected = [[1, 0, 1, 0], [2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert metrics.confusion_matrix(logits, target).tolist() == expected
    weighted = metrics.confusion_matrix(logits, target, sample_weight=[1, 2, 4, 8, 16, 32])
    assert weighted[1].tolist() == [24.0, 34.0, 0.0, 0.0]


@pytest.mark.parametrize("name", NAMES)
def test_columns_and_number_types_do_not_matter(name: str) -> None:
    metric: Callable[..., float] = getattr(metrics, name)
    logits, target = BINARY
    expected = metric(logits, target)
    single = logits.astype(np.float32)
    for scores in (logits[:, None], single, logits.tolist()):
        for labels in (target[:, None], target.astype(np.float32), target == 1, target.tolist()):
            assert metric(scores, labels) == expected


@pytest.mark.parametrize("name", NAMES)
def test_tensors(name: str) -> None:
    import nnlite

    metric: Callable[..., float] = getattr(metrics, name)
    logits, target = (nnlite.tensor(values.tolist()) for values in BINARY)
    logits.requires_grad_()
    assert metric(logits, target) == metric(*BINARY)


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_are_left_alone(name: str) -> None:
    for logits, target in (BINARY, COMPLETE):
        given = (logits.copy(), target.copy(), weights(len(target)))
        for array in given:
            array.flags.writeable = False
        getattr(metrics, name)(given[0], given[1], sample_weight=given[2])


def test_large_and_infinite_logits_stay_exact() -> None:
    logits = np.array([1e4, -1e4, np.inf, -np.inf])
    target = np.array([1, 0, 1, 0])
    assert metrics.log_loss(logits, target) == 0.0
    assert metrics.brier(logits, target) == 0.0
    assert metrics.roc_auc(logits, target) == 1.0
    assert metrics.log_loss([-1e4, 0.0], [1, 1]) == pytest.approx(5e3 + math.log(2) / 2)
    assert metrics.log_loss([[1e4, -np.inf, 0.0]], [0]) == 0.0


@pytest.mark.parametrize("target", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_area(target: list[int]) -> None:
    with pytest.raises(ValueError, match="roc_auc: the target holds one class only"):
        metrics.roc_auc([0.1, 0.2, 0.3], target)
    with pytest.raises(metrics.UndefinedMetricError):
        metrics.roc_auc(np.eye(3), target)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_no_positive_sample(name: str) -> None:
    with pytest.raises(metrics.UndefinedMetricError, match="no positive sample"):
        getattr(metrics, name)([1.0, -1.0], [0, 0])
    assert getattr(metrics, name)([-1.0, -1.0], [0, 1]) == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("logits", "target", "weight", "message"),
    [
        ([], [], None, "there is no sample"),
        ([1.0, math.nan, math.nan], [0, 1, 1], None, "2 of 3 logits are NaN"),
        ([1.0, 2.0], [0, 1], [0, 0], "every sample_weight is zero"),
    ],
)
def test_undefined(name: str, logits: Any, target: Any, weight: Any, message: str) -> None:
    with pytest.raises(metrics.UndefinedMetricError, match=f"{name}: .*{message}"):
        getattr(metrics, name)(logits, target, sample_weight=weight)
    named = {name: getattr(metrics, name)}
    values = metrics.evaluate(named, logits, target, sample_weight=weight)
    assert math.isnan(values[name])


def test_a_row_without_probabilities() -> None:
    with pytest.raises(metrics.UndefinedMetricError, match=r"row 1: .*finite largest logit"):
        metrics.log_loss([[0.0, 1.0], [np.inf, 0.0]], [0, 1])
    assert metrics.accuracy([[0.0, 1.0], [np.inf, 0.0]], [1, 0]) == 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("logits", "target", "weight", "message"),
    [
        (1.0, [1], None, r"the logits have shape \(\)"),
        (np.ones((2, 2, 2)), [0, 1], None, r"the logits have shape \(2, 2, 2\)"),
        (np.ones((2, 0)), [0, 1], None, r"the logits have shape \(2, 0\)"),
        ([1.0, 2.0], [0, 1, 1], None, r"shape \(2,\) and a target of shape \(3,\); .* \(2,\)"),
        (np.ones((2, 3)), np.ones((2, 2)), None, r"target of shape \(2, 2\)"),
        (np.ones((2, 3)), np.full((2, 3), 0.5), None, r"target \(0, 0\) is 0.5, .* 0 and 1"),
        (["a", "b"], [0, 1], None, "the logits have dtype <U1; give real numbers"),
        ([1.0, 2.0], [0, 2], None, r"target 1 is 2, .* give 0 and 1, or .* \(n, C\)"),
        ([1.0, 2.0], [-1, 1], None, "target 0 is -1, which is no class"),
        ([1.0, 2.0], [0.5, 1], None, "target 0 is 0.5, which is no class"),
        ([1.0, 2.0], [0, math.nan], None, "target 1 is nan, which is no class"),
        ([1.0, 2.0], ["no", "yes"], None, "the target has dtype <U3; give 0 and 1"),
        (np.ones((2, 3)), [0, 3], None, "target 1 is 3, .* integers from 0 to 2"),
        (np.ones((2, 3)), [0.0, 1.0], None, "dtype float64; give integers from 0 to 2"),
        ([1.0, 2.0], [0, 1], [1], r"sample_weight has shape \(1,\); .* \(2,\)"),
        ([1.0, 2.0], [0, 1], [1, -1], "sample_weight 1 is -1.0; .* not negative"),
        ([1.0, 2.0], [0, 1], [math.inf, 1], "sample_weight 0 is inf"),
        ([1.0, 2.0], [0, 1], [1, math.nan], "sample_weight 1 is nan"),
    ],
)
def test_wrong_arguments(name: str, logits: Any, target: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: .*{message}") as caught:
        getattr(metrics, name)(logits, target, sample_weight=weight)
    assert not isinstance(caught.value, metrics.UndefinedMetricError)


def my_metric(logits: Any, target: Any) -> Any:
    """Stand for a user's own function; it knows nothing of weights."""
    return np.float32(len(logits) + len(target))


def test_resolve_names_functions_and_mappings() -> None:
    named = metrics.resolve(("roc_auc", my_metric, "f1"))
    assert list(named.items()) == [
        ("roc_auc", metrics.roc_auc),
        ("my_metric", my_metric),
        ("f1", metrics.f1),
    ]
    assert metrics.resolve("f1") == {"f1": metrics.f1}
    assert metrics.resolve(my_metric) == {"my_metric": my_metric}
    assert metrics.resolve({"auc": "roc_auc", "mine": my_metric}) == {
        "auc": metrics.roc_auc,
        "mine": my_metric,
    }
    assert metrics.resolve(()) == {}
    assert list(metrics.resolve(NAMES)) == list(NAMES)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (["rocauc"], ValueError, "no metric 'rocauc'; did you mean 'roc_auc'"),
        (["Accuracy"], ValueError, "did you mean 'accuracy'"),
        (
            ["xyz"],
            ValueError,
            "no metric 'xyz'; there are accuracy, bal.*brier, .*r2$",
        ),
        (["f1", "f1"], ValueError, "'f1' is given twice"),
        (["loss"], ValueError, "'loss' is recorded in any case"),
        ([3], TypeError, "3 has no name"),
        ([lambda x, y: 0.0], TypeError, "has no name for a column; give it one in a dict"),
        ({"three": 3}, TypeError, "'three' is neither a name nor callable: 3"),
    ],
)
def test_resolve_refuses(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        metrics.resolve(given)


def test_evaluate() -> None:
    named = metrics.resolve(["accuracy", my_metric])
    values = metrics.evaluate(named, *BINARY)
    assert values == {"accuracy": metrics.accuracy(*BINARY), "my_metric": 24.0}
    assert type(values["my_metric"]) is float
    with pytest.raises(TypeError, match="sample_weight"):
        metrics.evaluate(named, *BINARY, sample_weight=weights(12))
    with pytest.raises(ValueError, match="accuracy: target 0 is 7"):
        metrics.evaluate(named, [1.0], [7])


def test_which_way_is_better() -> None:
    modes = {name: metrics.metric_mode(name) for name in ("loss", *NAMES)}
    lower = [name for name, mode in modes.items() if mode == "min"]
    assert lower == ["loss", "log_loss", "brier"]
    assert metrics.metric_mode("train_loss") == metrics.metric_mode("valid_log_loss") == "min"
    assert metrics.metric_mode("valid_roc_auc") == "max"
    with pytest.raises(ValueError, match="higher 'valid_mine' is better; give mode='min'"):
        metrics.metric_mode("valid_mine")


def test_names_choose_the_average_and_k() -> None:
    logits, target = COMPLETE
    for name in AVERAGED:
        function = getattr(metrics, name)
        for average in AVERAGES:
            expected = function(logits, target, average=average)
            assert ours(f"{name}_{average}")(logits, target) == expected
    assert ours("top_3_accuracy")(logits, target) == 1.0
    assert ours("top_k_accuracy")(logits, target) == ours("top_2_accuracy")(logits, target)
    for name in ("top_0_accuracy", "f1_binary", "mse_macro"):
        with pytest.raises(ValueError, match=f"no metric '{name}'"):
            metrics.resolve(name)


def test_an_average_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="precision: average 'binary' needs two classes"):
        metrics.precision(*COMPLETE, average="binary")
    with pytest.raises(ValueError, match="f1: average 'binary' needs two classes"):
        metrics.f1(*LABELS, average="binary")
    wrong: Any = "samples"
    for name in AVERAGED:
        with pytest.raises(ValueError, match=f"{name}: average is 'samples'; give 'binary|macro'"):
            getattr(metrics, name)(*COMPLETE, average=wrong)
    two = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
    assert metrics.precision(two, [1, 0, 0], average="binary") == 0.5
    assert metrics.precision(two, [1, 0, 0]) == 0.75


@pytest.mark.parametrize(
    "name", ["balanced_accuracy", "matthews_corrcoef", "top_k_accuracy", "confusion_matrix"]
)
def test_what_is_not_for_several_labels(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: .* several labels a sample; .*logits\[:, k\]"):
        getattr(metrics, name)(*LABELS)
    metric = getattr(metrics, name)
    for outputs, target, weight, message in (
        ([], [], None, "there is no sample"),
        ([1.0, math.nan], [0, 1], None, "1 of 2 logits are NaN"),
        ([1.0, 1.0], [0, 1], [0, 0], "every sample_weight is zero"),
    ):
        with pytest.raises(metrics.UndefinedMetricError, match=f"{name}: {message}"):
            metric(outputs, target, sample_weight=weight)


def test_a_correlation_with_one_class_is_zero() -> None:
    for weight in (None, [0.1, 0.2, 0.3]):
        assert metrics.matthews_corrcoef([1.0, 2.0, 3.0], [1, 1, 0], sample_weight=weight) == 0.0
        assert metrics.matthews_corrcoef([1.0, -2.0, 3.0], [1, 1, 1], sample_weight=weight) == 0.0


def test_top_k() -> None:
    logits = [[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]
    assert metrics.top_k_accuracy(logits, [0, 0], k=2) == 0.0
    assert metrics.top_k_accuracy(logits, [1, 2], k=2) == 1.0
    assert metrics.top_k_accuracy(logits, [0, 0], k=3) == metrics.top_k_accuracy([1.0], [0]) == 1.0
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        metrics.top_k_accuracy(logits, [1, 2], k=0)


def test_confusion_at_another_threshold() -> None:
    matrix = metrics.confusion_matrix([0.2, 0.6, 0.9], [0, 0, 1], threshold=0.5)
    assert matrix.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    empty_row = metrics.confusion_matrix(np.eye(3), [0, 1, 1], normalize="true")
    assert empty_row.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]
    wrong: Any = "rows"
    with pytest.raises(ValueError, match="normalize is 'rows'; give 'true', 'pred', 'all'"):
        metrics.confusion_matrix([0.2], [0], normalize=wrong)


def test_curves_of_infinite_scores() -> None:
    scores = np.array([math.inf, math.inf, 0.0, -math.inf])
    curve = metrics.roc_curve(scores, [1, 0, 1, 0], drop_intermediate=False)
    assert curve.thresholds.tolist() == [math.inf, math.inf, 0.0, -math.inf]
    assert curve.tpr.tolist() == [0.0, 0.5, 1.0, 1.0]
    costs = metrics.cost_curve(scores, [1, 0, 1, 0])
    assert costs.thresholds.tolist() == [-math.inf, -math.inf, 0.0, math.inf]


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("roc_curve", [0, 0], "one class only; it needs samples of every class"),
        ("roc_curve", [1, 1], "one class only"),
        ("precision_recall_curve", [0, 0], "no positive sample"),
        ("average_precision", [0, 0], "no positive sample"),
    ],
)
def test_curves_that_the_data_leave_undefined(name: str, target: list[int], message: str) -> None:
    for scores, given, weight in (
        ([0.25, 0.75], target, None),
        ([0.25, 0.75, 0.5], [*target, 1 - target[0]], [1, 1, 0]),
    ):
        with pytest.raises(metrics.UndefinedMetricError, match=f"{name}: .*{message}"):
            getattr(metrics, name)(scores, given, sample_weight=weight)


@pytest.mark.parametrize("name", ["roc_curve", "precision_recall_curve", "cost_curve"])
def test_curves_are_of_two_classes(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: .* \(6, 3\); .*scores\[:, k\], target == k"):
        getattr(metrics, name)(*COMPLETE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"probability 0 is 2.5, outside \[0, 1\]; give probabilities: the sigmoid"),
        ({"n_bins": 0}, "n_bins must be 1 or more, got 0"),
        ({"strategy": "even"}, "strategy is 'even'; give 'uniform' or 'quantile'"),
    ],
)
def test_calibration_refuses(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"calibration_curve: {message}"):
        metrics.calibration_curve(*BINARY, **options)


@hypothesis.given(data=samples("binary"), costs=st.tuples(st.integers(0, 5), st.integers(0, 5)))
@hypothesis.settings(max_examples=60)
def test_no_threshold_costs_less_than_the_best(
    data: tuple[Any, Any, Any], costs: tuple[int, int]
) -> None:
    scores, target, weight = data
    options = {"false_positive": costs[0], "false_negative": costs[1], "sample_weight": weight}
    counted = np.ones(len(scores)) if weight is None else weight

    def at(threshold: float) -> tuple[float, float, float]:
        above = scores > threshold
        false = counted @ (above & (target == 0))
        missed = counted @ (~above & (target == 1))
        return (costs[0] * false + costs[1] * missed) / counted.sum(), false, missed

    curve = metrics.cost_curve(scores, target, **options)
    for threshold, *values in zip(*curve, strict=True):
        assert values == pytest.approx(at(threshold), rel=0, abs=TOLERANCE)
    best = metrics.best_threshold(scores, target, **options)
    assert best[1:] == pytest.approx(at(best.threshold), rel=0, abs=TOLERANCE)
    for threshold in (-math.inf, math.inf, *scores, *(scores - 1e-9), *(scores + 1e-9)):
        assert at(threshold)[0] >= best.cost - TOLERANCE
    assert not any(curve.costs[curve.thresholds > best.threshold] <= best.cost)


def test_a_threshold_between_neighbouring_floats() -> None:
    for low in (0.1, 0.3, 1.0):
        scores = [low, np.nextafter(low, 2.0)]
        assert metrics.best_threshold(scores, [0, 1]).threshold == low


@pytest.mark.parametrize("cost", [-1.0, math.inf, math.nan])
def test_costs_that_are_none(cost: float) -> None:
    with pytest.raises(ValueError, match=f"false_negative must be finite .* got {cost}"):
        metrics.best_threshold([0.5], [1], false_negative=cost)


@pytest.mark.parametrize("name", REGRESSION)
def test_shapes_of_regression(name: str) -> None:
    metric = getattr(metrics, name)
    outputs, target = OUTPUTS
    expected = metric(outputs, target)
    assert metric(outputs[:, None], target) == metric(outputs, target[:, None]) == expected
    images, truth = np.arange(24.0).reshape(4, 2, 3), np.ones((4, 2, 3))
    assert metric(images, truth) == metric(images.reshape(4, 6), truth.reshape(4, 6))
    for shapes in (((3,), (4,)), ((3, 2), (3,)), ((3, 2), (2, 3)), ((), (1,)), ((1,), ())):
        with pytest.raises(ValueError, match=rf"{name}: outputs of shape .* target of shape"):
            metric(np.ones(shapes[0]), np.ones(shapes[1]))


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize(
    ("outputs", "target", "weight", "undefined", "message"),
    [
        ([], [], None, True, "there is no sample"),
        (np.ones((0, 3)), np.ones((0, 3)), None, True, "there is no sample"),
        ([1.0, math.nan], [0, 1], None, True, "1 of 2 outputs are NaN; the training diverged"),
        ([1.0, 2.0], [0, math.nan], None, False, "target 1 is nan; targets are finite numbers"),
        ([1.0, 2.0], [0, math.inf], None, False, "target 1 is inf"),
        ([1.0, 2.0], ["a", "b"], None, False, "the targets have dtype <U1"),
        ([1.0, 2.0], [0, 1], [0, 0], True, "every sample_weight is zero"),
        ([1.0, 2.0], [0, 1], [1, -1], False, "sample_weight 1 is -1.0"),
        ([1.0, 2.0], [0, 1], [1], False, r"sample_weight has shape \(1,\)"),
    ],
)
def test_wrong_arguments_of_regression(
    name: str, outputs: Any, target: Any, weight: Any, undefined: bool, message: str
) -> None:
    with pytest.raises(ValueError, match=f"{name}: .*{message}") as caught:
        getattr(metrics, name)(outputs, target, sample_weight=weight)
    assert isinstance(caught.value, metrics.UndefinedMetricError) == undefined


def test_regression_at_the_limits() -> None:
    assert metrics.mse([1e200, 0.0], [-1e200, 0.0]) == math.inf
    assert metrics.mae([math.inf, 0.0], [0.0, 0.0]) == math.inf
    with pytest.raises(metrics.UndefinedMetricError, match="r2: there is one sample"):
        metrics.r2([1.0], [1.0])
    weight = [0.6, 0.5, 0.6]  # with them the mean of the target is not quite 0.9
    assert metrics.r2([0.9, 0.9, 0.9], [0.9, 0.9, 0.9], sample_weight=weight) == 1.0
    assert metrics.r2([0.9, 0.9, 0.5], [0.9, 0.9, 0.9], sample_weight=weight) == 0.0


def test_equal_probabilities_tie_whatever_the_order_of_the_other_classes() -> None:
    logits = [[-0.125, -0.5, -0.625, -2.875], [-0.125, -0.625, -2.875, -0.5]]
    chances = log_softmax(np.array(logits))
    assert chances[0, 0] == chances[1, 0]


def test_by_name_in_the_trainer() -> None:
    import nnlite
    from nnlite import nn

    x = nnlite.randn(40, 3)
    tasks: list[tuple[Any, int, Any, list[str]]] = [
        (nn.BCEWithLogitsLoss(), 1, (x[:, :1] > 0).float(), ["f1", "average_precision"]),
        (nn.CrossEntropyLoss(), 3, x.argmax(dim=1), ["top_2_accuracy", "f1_weighted", "roc_auc"]),
        (nn.BCEWithLogitsLoss(), 3, (x > 0).float(), ["accuracy", "f1_micro", "roc_auc"]),
        (nn.MSELoss(), 2, x[:, :2] * 2, ["mse", "rmse", "mae", "r2"]),
    ]
    for loss, width, target, names in tasks:
        model = nn.Linear(3, width)
        optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        trainer = nnlite.Trainer(model, optimizer, loss, metrics=names)
        figures = trainer.evaluate((x, target))
        expected = {name: ours(name)(trainer.predict(x), target) for name in names}
        assert {name: figures[name] for name in names} == expected
        if "mse" in names:
            assert figures["mse"] == pytest.approx(figures["loss"], rel=1e-6)


if __name__ == "__main__":
    record = {}
    for a_name, a_data, is_weighted in cases():
        its_outputs, its_target = DATA[a_data]
        its_weight = weights(len(its_target)) if is_weighted else None
        value = from_oracle(a_name, its_outputs, its_target, its_weight)
        record[key(a_name, a_data, is_weighted)] = value
    REFERENCE.write_text(json.dumps(record, indent=1) + "\n")
