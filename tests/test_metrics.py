"""Metrics equal scikit-learn's: live where it can be imported, recorded values everywhere.

``python tests/test_metrics.py`` prints the recorded values afresh (needs scikit-learn).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nnlite.train import metrics

try:
    import sklearn.metrics as oracle
except ImportError:
    oracle = None

NAMES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")

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
DATA = {"binary": BINARY, "classes": CLASSES, "complete": COMPLETE}

RECORDED: dict[tuple[str, str, bool], float] = {
    ("accuracy", "binary", False): 0.75,
    ("accuracy", "binary", True): 0.6388888888888888,
    ("accuracy", "classes", False): 0.5,
    ("accuracy", "classes", True): 0.47368421052631576,
    ("accuracy", "complete", False): 0.5,
    ("accuracy", "complete", True): 0.42105263157894735,
    ("precision", "binary", False): 0.8333333333333334,
    ("precision", "binary", True): 0.8571428571428571,
    ("precision", "classes", False): 0.4444444444444444,
    ("precision", "classes", True): 0.3333333333333333,
    ("precision", "complete", False): 0.611111111111111,
    ("precision", "complete", True): 0.5185185185185185,
    ("recall", "binary", False): 0.7142857142857143,
    ("recall", "binary", True): 0.3333333333333333,
    ("recall", "classes", False): 0.3333333333333333,
    ("recall", "classes", True): 0.1875,
    ("recall", "complete", False): 0.5,
    ("recall", "complete", True): 0.3888888888888889,
    ("f1", "binary", False): 0.7692307692307693,
    ("f1", "binary", True): 0.48,
    ("f1", "classes", False): 0.35555555555555557,
    ("f1", "classes", True): 0.24,
    ("f1", "complete", False): 0.5222222222222223,
    ("f1", "complete", True): 0.38888888888888884,
    ("roc_auc", "binary", False): 0.8285714285714285,
    ("roc_auc", "binary", True): 0.736111111111111,
    ("roc_auc", "complete", False): 0.625,
    ("roc_auc", "complete", True): 0.5128205128205128,
    ("log_loss", "binary", False): 0.47915943446641357,
    ("log_loss", "binary", True): 0.5767128076553983,
    ("log_loss", "classes", False): 1.3262088243724595,
    ("log_loss", "classes", True): 1.2150180532160542,
    ("log_loss", "complete", False): 1.335128940690345,
    ("log_loss", "complete", True): 1.5024366121581265,
    ("brier", "binary", False): 0.16184001791462066,
    ("brier", "binary", True): 0.2016239474437911,
    ("brier", "classes", False): 0.6377837243133935,
    ("brier", "classes", True): 0.6036171073962366,
    ("brier", "complete", False): 0.6483051091236934,
    ("brier", "complete", True): 0.7264957720589686,
}


def weights(count: int) -> NDArray[np.float64]:
    """Uneven weights; one is zero."""
    return (np.arange(count) * 5 % 7) / 4.0


def from_oracle(name: str, logits: Any, target: Any, weight: Any) -> Any:
    """The value of scikit-learn."""
    options = {"sample_weight": weight}
    if logits.ndim == 1:
        probability = 1.0 / (1.0 + np.exp(-logits))
        guess = (logits > 0).astype(int)
        average: dict[str, Any] = {}
    else:
        probability = np.exp(logits - logits.max(axis=1, keepdims=True))
        probability /= probability.sum(axis=1, keepdims=True)
        guess = logits.argmax(axis=1)
        average = {"average": "macro", "zero_division": 0}
    labels = range(2 if logits.ndim == 1 else logits.shape[1])
    if name == "accuracy":
        return oracle.accuracy_score(target, guess, **options)
    if name == "roc_auc":
        options.update({} if logits.ndim == 1 else {"multi_class": "ovr"})
        return oracle.roc_auc_score(target, probability, **options)
    if name == "log_loss":
        return oracle.log_loss(target, probability, labels=labels, **options)
    if name == "brier":
        return oracle.brier_score_loss(target, probability, labels=labels, **options)
    function = getattr(oracle, f"{name}_score")
    return function(target, guess, **options, **average)


def cases() -> list[tuple[str, str, bool]]:
    """Every metric on every data set, without and with weights."""
    return [
        (name, data, weighted)
        for name in NAMES
        for data in DATA
        for weighted in (False, True)
        if (name, data) != ("roc_auc", "classes")
    ]


@pytest.mark.parametrize(("name", "data", "weighted"), cases())
def test_recorded_values(name: str, data: str, weighted: bool) -> None:
    logits, target = DATA[data]
    weight = weights(len(target)) if weighted else None
    value = getattr(metrics, name)(logits, target, sample_weight=weight)
    assert type(value) is float
    assert value == pytest.approx(RECORDED[name, data, weighted], rel=0, abs=1e-12)


needs_oracle = pytest.mark.skipif(oracle is None, reason="scikit-learn is not installed")


@needs_oracle
@pytest.mark.parametrize(("name", "data", "weighted"), cases())
def test_the_record_is_right(name: str, data: str, weighted: bool) -> None:
    logits, target = DATA[data]
    weight = weights(len(target)) if weighted else None
    recorded = RECORDED[name, data, weighted]
    assert recorded == pytest.approx(from_oracle(name, logits, target, weight), rel=0, abs=1e-12)


@needs_oracle
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_scikit_learn_on_random_data(name: str, classes: int) -> None:
    random = np.random.default_rng(classes)
    for count in (8, 60, 500):
        shape = (count,) if classes == 1 else (count, classes)
        logits = random.normal(size=shape, scale=16).round() / 8  # many ties, exact ones
        target = np.concatenate(
            [np.arange(max(classes, 2)), random.integers(max(classes, 2), size=count)]
        )
        target = target[:count]
        weight = random.exponential(size=count)
        for given in (None, weight):
            value = getattr(metrics, name)(logits, target, sample_weight=given)
            if name == "roc_auc" and classes == 2:
                expected = from_oracle(name, logits[:, 1] - logits[:, 0], target, given)
            else:
                expected = from_oracle(name, logits, target, given)
            assert value == pytest.approx(expected, rel=0, abs=1e-12)


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
        (np.ones((2, 3)), np.ones((2, 3)), None, r"target of shape \(2, 3\)"),
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
        (["xyz"], ValueError, "no metric 'xyz'; there are accuracy, precision, .*brier"),
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


if __name__ == "__main__":
    for a_name, a_data, is_weighted in cases():
        data_logits, data_target = DATA[a_data]
        data_weight = weights(len(data_target)) if is_weighted else None
        its_value = float(from_oracle(a_name, data_logits, data_target, data_weight))
        print(f'    ("{a_name}", "{a_data}", {is_weighted}): {its_value!r},')
