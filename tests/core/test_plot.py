"""Confusion matrices and curves against scikit-learn's, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import treering
from treering.errors import UsageError

torch = pytest.importorskip("torch")
metrics = pytest.importorskip("sklearn.metrics")

RANDOM = np.random.default_rng(3)
TRUE = RANDOM.integers(0, 3, 400)
# Rounded, so that there are ties.
PROBS = np.round(RANDOM.dirichlet([1, 1, 1], 400) + 0.6 * np.eye(3)[TRUE], 1)
NAMES = ["cat", "dog", "bird"]


def columns(table: treering.Table, name: str) -> dict[str, np.ndarray]:
    rows = [row for row in table.data if row[0] == name]
    return {key: np.array([row[at] for row in rows]) for at, key in enumerate(table.columns) if at}


def test_the_matrix_is_that_of_scikit_learn() -> None:
    table = treering.plot.confusion_matrix(probs=PROBS, y_true=TRUE, class_names=NAMES)
    assert table.columns == ["actual", "predicted", "count"]
    counts = np.array([row[2] for row in table.data]).reshape(3, 3)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(TRUE, PROBS.argmax(1)))
    assert [row[:2] for row in table.data[:2]] == [["cat", "cat"], ["cat", "dog"]]


def test_labels_may_be_names_or_tensors() -> None:
    by_name = treering.plot.confusion_matrix(y_true=["b", "a", "b"], preds=["b", "b", "b"])
    assert by_name.data == [["a", "a", 0], ["a", "b", 1], ["b", "a", 0], ["b", "b", 2]]
    by_tensor = treering.plot.confusion_matrix(y_true=torch.tensor([1, 0, 1]), preds=torch.tensor([1, 1, 1]))
    assert [row[2] for row in by_tensor.data] == [0, 1, 0, 2]


@pytest.mark.parametrize("at", range(3))
def test_roc_is_that_of_scikit_learn(at: int) -> None:
    got = columns(treering.plot.roc_curve(TRUE, PROBS, NAMES), NAMES[at])
    told = metrics.roc_curve(at == TRUE, PROBS[:, at], drop_intermediate=False)
    theirs = {tuple(np.round(point, 12)) for point in np.transpose(told)}
    mine = np.transpose([got["fpr"], got["tpr"], got["threshold"]])
    assert {tuple(np.round(point, 12)) for point in mine} <= theirs  # less what lies on one line
    assert metrics.auc(got["fpr"], got["tpr"]) == pytest.approx(metrics.auc(*told[:2]))
    assert got["auc"][0] == pytest.approx(metrics.roc_auc_score(at == TRUE, PROBS[:, at]))


@pytest.mark.parametrize("at", range(3))
def test_precision_and_recall_are_those_of_scikit_learn(at: int) -> None:
    got = columns(treering.plot.pr_curve(TRUE, PROBS, NAMES), NAMES[at])
    precision, recall, thresholds = metrics.precision_recall_curve(at == TRUE, PROBS[:, at])
    np.testing.assert_allclose(got["precision"][::-1], precision)
    np.testing.assert_allclose(got["recall"][::-1], recall)
    np.testing.assert_allclose(got["threshold"][:0:-1], thresholds)
    assert got["ap"][0] == pytest.approx(metrics.average_precision_score(at == TRUE, PROBS[:, at]))


def test_by_hand() -> None:
    table = treering.plot.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    got = columns(table, "1")  # of two classes the second is the one that is looked for
    assert got["fpr"].tolist() == [0, 0, 0.5, 0.5, 1]
    assert got["tpr"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert got["auc"][0] == 0.75
    assert columns(treering.plot.pr_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), "1")["ap"][0] == pytest.approx(5 / 6)


def test_a_long_curve_is_thinned_and_its_area_exact() -> None:
    true = RANDOM.integers(0, 2, 20_000)
    scores = RANDOM.normal(size=20_000) + true
    got = columns(treering.plot.roc_curve(true, scores), "1")
    assert len(got["fpr"]) == 2000
    assert (got["fpr"][-1], got["tpr"][-1]) == (1, 1)
    assert got["auc"][0] == pytest.approx(metrics.roc_auc_score(true, scores))


def test_a_class_without_samples_has_no_curve() -> None:
    table = treering.plot.roc_curve([0, 1, 0], np.eye(3)[[0, 1, 0]], NAMES)
    assert {row[0] for row in table.data} == {"cat", "dog"}
    some = treering.plot.pr_curve(TRUE, PROBS, NAMES, classes_to_plot=["dog"])
    assert {row[0] for row in some.data} == {"dog"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: treering.plot.confusion_matrix(y_true=[0], probs=[[1.0]], preds=[0]), "both"),
        (lambda: treering.plot.confusion_matrix(y_true=[0, 1], preds=[0]), "belong together"),
        (lambda: treering.plot.confusion_matrix(y_true=[0, 5], preds=[0, 1], class_names=["a", "b"]), "0 to 5"),
        (lambda: treering.plot.confusion_matrix(y_true=["x"], preds=["a"], class_names=["a"]), "'x'"),
        (lambda: treering.plot.roc_curve([0, 1], [0.5, float("nan")]), "NaN"),
        (lambda: treering.plot.roc_curve([0, 1], np.ones((3, 2))), "3 rows"),
        (lambda: treering.plot.pr_curve([0, 1], np.ones((2, 2)), ["a"]), "1 labels"),
        (lambda: treering.plot.pr_curve([0, 1], np.ones((2, 2)), classes_to_plot=["z"]), "'z'"),
        (lambda: treering.plot.roc_curve(None, [0.5]), "no y_true"),
    ],
)
def test_what_does_not_fit_is_told(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]  # a function, as written above


def test_it_is_logged_like_any_table(tmp_path: object) -> None:
    with treering.init(project="p", dir=tmp_path) as run:  # type: ignore[arg-type]  # a path
        run.log({"val/roc": treering.plot.roc_curve(TRUE, PROBS, NAMES)})
    back = treering.Api(tmp_path).runs("p")[0].media("val/roc")[0][1]  # type: ignore[arg-type]  # the same
    assert back == treering.plot.roc_curve(TRUE, PROBS, NAMES)
