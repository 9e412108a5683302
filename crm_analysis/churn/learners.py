"""How the churn models learn: sampling, tuning inside earlier origins, calibration (REQUIREMENTS C2).

Time never runs backwards: parameters are chosen by fitting on all teaching origins but the last and looking at that
last one; the origins that calibrate are later than those that teach.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.inputs import model_matrix
from crm_analysis.churn.labels import outcome_end

Floats = npt.NDArray[np.float64]
Parameters = Mapping[str, float]
ROWS_WORTH_THREADS = 20_000
#: Small grids, the plainest first: it stands where there are too few origins to choose.
GRIDS: Mapping[str, tuple[Parameters, ...]] = {
    "logistic": ({"C": 0.5}, {"C": 0.02}, {"C": 0.002}),
    "boosting": (
        {"learning_rate": 0.06, "max_iter": 120, "max_leaf_nodes": 15},
        {"learning_rate": 0.06, "max_iter": 60, "max_leaf_nodes": 7},
        {"learning_rate": 0.05, "max_iter": 180, "max_leaf_nodes": 7},
    ),
}
_ROUNDS = 50
_EDGE = 30.0


def threads_for(rows: int) -> threadpool_limits:
    """Limit few rows to one thread: several only wait for each other, and long where other work shares the machine."""
    return threadpool_limits(limits=1 if rows < ROWS_WORTH_THREADS else None)


def split_origins(origins: Sequence[str], *, settings: ChurnSettings) -> tuple[list[str], list[str]]:
    """Return the origins that teach and the last ones, that calibrate; none teach where there is one only.

    Two are left to teach where that many are, so that parameters can be chosen. Where horizons overlap, origins whose
    outcome was not over when the first calibrating one began do not teach, unless none would be left.
    """
    count = min(settings.model.calibration_origins, max(1, len(origins) - 2))
    calibrating = sorted(origins)[-count:]
    earlier = sorted(origins)[:-count]
    over = [o for o in earlier if _is_over(o, by=calibrating[0], settings=settings)] if calibrating else []
    return over or earlier, calibrating


def _is_over(origin: str, *, by: str, settings: ChurnSettings) -> bool:
    return outcome_end(date.fromisoformat(origin), settings=settings) <= date.fromisoformat(by)


def sample_rows(
    training: pd.DataFrame, *, origins: Sequence[str], settings: ChurnSettings, most: int | None = None
) -> pd.DataFrame:
    """Return the rows of some origins, at most ``most`` of them, drawn without order by the seed.

    Parameters
    ----------
    most
        ``max_training_rows`` when left out.
    """
    most = settings.model.max_training_rows if most is None else most
    places = np.flatnonzero(training["origin"].isin(list(origins)).to_numpy())
    if len(places) > most:
        rng = np.random.default_rng(settings.seed)
        places = np.sort(rng.choice(places, most, replace=False))
    return training.iloc[places]


def tune(
    training: pd.DataFrame, *, name: str, origins: Sequence[str], settings: ChurnSettings
) -> tuple[Parameters, list[str]]:
    """Return the parameters of the grid with the least log loss on the last teaching origin, and that origin.

    At most ``max_tuning_rows`` are learnt from, and as many looked at.

    The first of the grid, and no origin, where fewer than two teach or one of the parts has one label only; also the
    first on a tie.
    """
    grid = GRIDS[name]
    earlier = [o for o in origins[:-1] if _is_over(o, by=origins[-1], settings=settings)]
    if not earlier:
        return grid[0], []
    most = settings.model.max_tuning_rows
    learn = sample_rows(training, origins=earlier, settings=settings, most=most)
    look = sample_rows(training, origins=origins[-1:], settings=settings, most=most)
    if learn["is_churned"].nunique() < 2 or look["is_churned"].nunique() < 2:
        return grid[0], []
    matrix, seen = model_matrix(learn).to_numpy(), model_matrix(look).to_numpy()
    columns = ~np.isnan(matrix).all(axis=0)
    labels, truth = learn["is_churned"].to_numpy(), look["is_churned"].to_numpy()
    losses = []
    for parameters in grid:
        fitted = fit_learner(matrix[:, columns], labels, name=name, parameters=parameters, seed=settings.seed)
        with threads_for(len(seen)):
            odds = fitted.decision_function(prepared(seen[:, columns], name=name))
        losses.append(round(log_loss(odds, truth), 6))
    return grid[int(np.argmin(losses))], [origins[-1]]


def log_loss(log_odds: Floats, labels: npt.NDArray[Any]) -> float:
    """Return the mean log loss of log-odds.

    >>> round(log_loss(np.array([0.0, 0.0]), np.array([1, 0])), 6)
    0.693147
    """
    return float(np.mean(np.logaddexp(0.0, log_odds) - labels * log_odds))


def prepared(values: Floats, *, name: str) -> Floats:
    """Bring skewed amounts and counts to a scale on which a line can be drawn; trees need none."""
    return np.sign(values) * np.log1p(np.abs(values)) if name == "logistic" else values


def fit_learner(values: Floats, labels: npt.NDArray[Any], *, name: str, parameters: Parameters, seed: int) -> Any:
    """Fit a pipeline of scikit-learn on rows whose columns are all known somewhere."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "logistic":
        learner = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            StandardScaler(),
            LogisticRegression(solver="newton-cholesky", **parameters),
        )
    else:
        learner = HistGradientBoostingClassifier(
            min_samples_leaf=40, l2_regularization=1.0, early_stopping=False, random_state=seed, **parameters
        )
    with threads_for(len(values)):
        return learner.fit(prepared(values, name=name), labels)


def calibrate(log_odds: Floats, labels: npt.NDArray[Any], *, is_slope_free: bool = True) -> tuple[float, float]:
    """Return intercept and slope of the logistic line from log-odds to what came (Platt 1999; Cox 1958).

    Parameters
    ----------
    is_slope_free
        With ``False`` the slope stays 1 and only the intercept is fitted.

    Notes
    -----
    Newton's steps on the targets of Platt, ``(churned + 1) / (churned + 2)`` and ``1 / (kept + 2)``, which keep the
    line finite where the labels are parted without overlap. All log-odds equal: slope 1.

    Examples
    --------
    >>> calibrate(np.zeros(4), np.array([1, 1, 0, 0]))
    (0.0, 1.0)
    """
    odds = np.clip(log_odds, -_EDGE, _EDGE)
    churned = int(labels.sum())
    kept = len(labels) - churned
    target = np.where(labels > 0, (churned + 1) / (churned + 2), 1 / (kept + 2))
    centre = float(odds.mean())
    spread = float(odds.std())
    is_free = is_slope_free and spread > 0
    design = np.column_stack([np.ones(len(odds)), (odds - centre) / (spread or 1.0)])[:, : 2 if is_free else 1]
    offset = np.zeros(len(odds)) if is_free else odds - centre
    found = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        rate = 1 / (1 + np.exp(-(offset + design @ found)))
        curve = design.T @ (design * (rate * (1 - rate))[:, None]) + 1e-9 * np.eye(len(found))
        step = np.linalg.solve(curve, design.T @ (target - rate))
        found = found + np.clip(step, -4, 4)
        if np.abs(step).max() < 1e-10:
            break
    slope = float(found[1] / spread) if is_free else 1.0
    return round(float(found[0]) - slope * centre, 10) + 0.0, round(slope, 10)


def typical_kept(matrix: Floats, labels: npt.NDArray[Any]) -> tuple[float, ...]:
    """Return the features of the typical customer who stayed: medians; NaN where most have no value."""
    kept = matrix[labels == 0]
    medians = []
    for column in kept.T:
        known = column[~np.isnan(column)]
        medians.append(float(np.median(known)) if 2 * len(known) > len(column) else float("nan"))
    return tuple(medians)
