"""Tables that the dashboard draws (confusion matrices, ROC, precision over recall), and charts of a table's columns.

    run.log({"val/confusion": treering.plot.confusion_matrix(y_true=labels, preds=predicted, class_names=names)})
    run.log({"val/roc": treering.plot.roc_curve(labels, probabilities, names)})

The first three return a `Table`, so the numbers stay readable wherever tables are; the others a `Chart`. The arguments
are named as W&B names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering._charts import bar, histogram, line, line_series, scatter
from treering.errors import UsageError
from treering.media import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Labels = npt.NDArray[np.int64]

__all__ = ["bar", "confusion_matrix", "histogram", "line", "line_series", "pr_curve", "roc_curve", "scatter"]

_MOST_CLASSES = 1000
_MOST_CORNERS = 2000
_SUM_SLACK = 1e-2
_TWO = 2


def confusion_matrix(
    probs: object = None,
    y_true: object = None,
    preds: object = None,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Table:
    """Count what was taken for what.

    Args:
        probs: (samples, classes) scores; the largest of a row is what it was taken for. Or give `preds`.
        y_true: (samples,) the right classes, as integers from 0, or as names out of `class_names`.
        preds: (samples,) what they were taken for, like `y_true`.
        class_names: in order; default "0", "1", ...
        title: taken for W&B's sake; the name under which the table is logged is its title.

    Returns:
        A table of "actual", "predicted" and "count", with a row for each pair of classes.

    Raises:
        UsageError: both or neither of `probs` and `preds`, lengths that differ, or labels that no class has.
    """
    import numpy as np

    del title
    if (probs is None) == (preds is None):
        raise UsageError(
            f"confusion_matrix got {'both' if probs is not None else 'neither'} of probs and preds; give one."
        )
    if probs is not None:
        scores = _scores(probs, "probs")
        if scores.ndim != _TWO:
            raise UsageError(f"probs has the shape {scores.shape}; it takes (samples, classes). Or give preds.")
        preds = scores.argmax(axis=1)
    true, guessed, names = _labelled([("y_true", y_true), ("preds", preds)], class_names, "confusion_matrix")
    counts = np.bincount(true * len(names) + guessed, minlength=len(names) ** 2).reshape(len(names), len(names))
    rows = [[names[a], names[p], int(counts[a, p])] for a in range(len(names)) for p in range(len(names))]
    return Table(columns=["actual", "predicted", "count"], data=rows)


def roc_curve(
    y_true: object = None,
    y_probas: object = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[object] | None = None,
    title: str | None = None,
) -> Table:
    """Give true positives over false ones for every threshold, each class against all others.

    Args:
        y_true: (samples,) the right classes, as integers from 0, or as names out of `labels`.
        y_probas: (samples, classes) scores, the larger the surer; or (samples,) those of class 1, for two classes.
        labels: names of the classes, in order; default "0", "1", ...
        classes_to_plot: names or numbers of some classes; default all that have samples, and others to compare with.
        title: as for `confusion_matrix`.

    Returns:
        A table of "class", "fpr", "tpr", "threshold" and "auc" (the area under the whole curve). Only corners are kept;
        a curve of more than 2,000 of them is thinned, its area is exact all the same.

    Raises:
        UsageError: shapes that do not fit, scores that are NaN, labels that no class has.
    """
    del title
    rows: list[list[Any]] = []
    for name, hits, scores in _one_against_all("roc_curve", y_true, y_probas, labels, classes_to_plot):
        fpr, tpr, thresholds = _rates(hits, scores)
        area = float(((tpr[1:] + tpr[:-1]) / 2 * (fpr[1:] - fpr[:-1])).sum())
        rows += [[name, float(fpr[i]), float(tpr[i]), float(thresholds[i]), area] for i in _corners(fpr, tpr)]
    return Table(columns=["class", "fpr", "tpr", "threshold", "auc"], data=rows)


def pr_curve(
    y_true: object = None,
    y_probas: object = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[object] | None = None,
    title: str | None = None,
) -> Table:
    """Give precision over recall for every threshold, each class against all others; arguments as for `roc_curve`.

    Returns:
        A table of "class", "recall", "precision", "threshold" and "ap": average precision, the sum of precisions
        weighted by how much recall each adds, with nothing interpolated.

    Raises:
        UsageError: as for `roc_curve`.
    """
    import numpy as np

    del title
    rows: list[list[Any]] = []
    for name, hits, scores in _one_against_all("pr_curve", y_true, y_probas, labels, classes_to_plot):
        true, false, thresholds = _counts(hits, scores)
        recall = np.concatenate([[0.0], true / true[-1]])
        precision = np.concatenate([[1.0], true / (true + false)])
        area = float((np.diff(recall) * precision[1:]).sum())
        above = np.concatenate([[np.inf], thresholds])
        kept = _thinned(np.arange(len(recall)))
        rows += [[name, float(recall[i]), float(precision[i]), float(above[i]), area] for i in kept]
    return Table(columns=["class", "recall", "precision", "threshold", "ap"], data=rows)


def _counts(hits: npt.NDArray[np.bool_], scores: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return how many true and false ones are at or above each threshold, from the highest on; ties are one."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], hits[order]
    last = np.concatenate([np.flatnonzero(np.diff(scores)), [len(scores) - 1]])
    true = np.cumsum(hits)[last].astype(np.float64)
    return true, last + 1.0 - true, scores[last]


def _rates(hits: npt.NDArray[np.bool_], scores: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    import numpy as np

    true, false, thresholds = _counts(hits, scores)
    zero = np.zeros(1)
    tpr = np.concatenate([zero, true / true[-1]])
    fpr = np.concatenate([zero, false / false[-1]])
    return fpr, tpr, np.concatenate([[np.inf], thresholds])


def _corners(x: Numbers, y: Numbers) -> Labels:
    """Return the points that a curve needs: those between two on one line say nothing."""
    import numpy as np

    dx, dy = np.diff(x), np.diff(y)
    bent = dx[1:] * dy[:-1] != dx[:-1] * dy[1:]
    return _thinned(np.flatnonzero(np.concatenate([[True], bent, [True]])))


def _thinned(kept: Labels) -> Labels:
    import numpy as np

    step = (len(kept) - 1) / (min(len(kept), _MOST_CORNERS) - 1)
    some = np.round(np.arange(min(len(kept), _MOST_CORNERS)) * step)
    return kept[some.astype(np.int64)]


def _one_against_all(
    who: str, y_true: object, y_probas: object, labels: Sequence[str] | None, chosen: Sequence[object] | None
) -> list[tuple[str, npt.NDArray[np.bool_], Numbers]]:
    """Return of each class its name, which samples are of it, and their scores."""
    import numpy as np

    scores = _scores(y_probas, "y_probas")
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
        chosen = [1] if chosen is None else chosen
    names = [str(one) for one in (range(scores.shape[1]) if labels is None else labels)]
    if len(names) != scores.shape[1]:
        raise UsageError(f"{who} got {len(names)} labels for scores of {scores.shape[1]} classes; give one for each.")
    ((true,), names) = _numbered([("y_true", y_true)], names, who)
    if len(true) != len(scores):
        raise UsageError(
            f"{who} got {len(true)} labels in y_true and {len(scores)} rows in y_probas; they belong together."
        )
    wanted = range(len(names)) if chosen is None else [_class_of(one, names, who) for one in chosen]
    found = [(names[k], true == k, scores[:, k]) for k in wanted]
    return [one for one in found if one[1].any() and not one[1].all()]


def _class_of(one: object, names: list[str], who: str) -> int:
    if isinstance(one, int) and 0 <= one < len(names):
        return one
    if str(one) in names:
        return names.index(str(one))
    raise UsageError(f"{who} got the class {one!r}; there are {names[:20]}. Choose some of these.")


def _scores(given: object, name: str) -> Numbers:
    import numpy as np

    from treering.media._arrays import as_array

    found = np.asarray(as_array(given), dtype=np.float64)
    if found.ndim not in (1, _TWO) or not found.size:
        raise UsageError(
            f"{name} has the shape {found.shape}; it takes (samples, classes), or (samples,) for two classes."
        )
    if np.isnan(found).any():
        raise UsageError(
            f"{name} has {int(np.isnan(found).sum())} NaN; a score has to be a number. Leave these samples out."
        )
    return found


def _labelled(
    given: list[tuple[str, object]], class_names: Sequence[str] | None, who: str
) -> tuple[Labels, Labels, list[str]]:
    names = None if class_names is None else [str(one) for one in class_names]
    (true, guessed), names = _numbered(given, names, who)
    if len(true) != len(guessed):
        raise UsageError(f"{who} got {len(true)} right classes for {len(guessed)} predictions; they belong together.")
    return true, guessed, names


def _numbered(given: list[tuple[str, object]], names: list[str] | None, who: str) -> tuple[list[Labels], list[str]]:
    """Return labels as numbers of classes, and the names of these."""
    import numpy as np

    from treering.media._arrays import as_array

    arrays: list[Any] = []
    for word, value in given:
        if value is None:
            raise UsageError(f"{who} got no {word}; it takes one class for each sample.")
        array: Any = np.asarray(as_array(value))
        if array.ndim != 1 or not array.size:
            raise UsageError(f"{who} got {word} of the shape {array.shape}; it takes (samples,), not empty.")
        arrays.append(array)
    if any(array.dtype.kind not in "iub" for array in arrays):
        texts = [[str(one) for one in array.tolist()] for array in arrays]
        names = sorted({one for some in texts for one in some}) if names is None else names
        index = {name: at for at, name in enumerate(names)}
        unknown = sorted({one for some in texts for one in some if one not in index})
        if unknown:
            raise UsageError(f"{who} got the classes {unknown[:10]}; there are {names[:20]}. Name all of them.")
        return [np.array([index[one] for one in some], dtype=np.int64) for some in texts], names
    numbers = [array.astype(np.int64) for array in arrays]
    low, high = min(int(one.min()) for one in numbers), max(int(one.max()) for one in numbers)
    names = [str(one) for one in range(high + 1)] if names is None and 0 <= high < _MOST_CLASSES else names or []
    if low < 0 or high >= len(names):
        raise UsageError(
            f"{who} got classes from {low} to {high}; there are {len(names)}, from 0 on. Name all of them."
        )
    return numbers, names
