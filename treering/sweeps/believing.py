"""Optuna's Gaussian process with two rules of ours: how it is fitted, and what it believes of running trials.

Optuna fits its model from where the last fit ended. With few trials that may be a place where bumps of the objective
are taken for noise: the search then stays where it is, since nothing it finds there means much. So where a fit finds
noise, another one begins without any, and the likelier of the two is taken; noise may be as small as an exact
function's. Where both find noise, there is some, and for a tenth more trials nobody asks again.

Optuna weighs 128 samples of what the running trials may come to. Where hardly any sample is better than the best value
so far, late in a search, all points are worth the same to it, and the next one is drawn by lot. With the running trials
taken at the model's own mean, the expected improvement is an exact formula that has a slope everywhere: eight workers
end nearer to the best, and a point costs less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["make_gp"]

# Variances, where that of the values is 1. Optuna's least noise is 1e-6: of Branin's values, a hundred thousandth of
# which is the aim, nothing could be told apart near the best.
_LEAST_NOISE = 1e-9
_QUIET_NOISE = 1e-6
_SOME_NOISE = 1e-5
# Where there is noise, a model without is looked for again at so many more trials: that takes a third of a point.
_AGAIN = 1.1


def make_gp(seed: int) -> BaseSampler:
    """Return the sampler, whose model is asked from the second trial on."""
    from optuna.samplers import GPSampler

    class Believing(GPSampler):
        noisy_at = 0  # as many trials had noise for a fit that began without any, too

        def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
            return super()._optimize_acqf(_believed(self, acqf), best_params)

    sampler = Believing(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
    cast("Any", sampler)._minimum_noise = _LEAST_NOISE
    return sampler


def _believed(sampler: Any, acqf: Any) -> Any:
    """Return the expected improvement beside believed values; what is no plain improvement stays as it is."""
    try:
        from optuna._gp import acqf as functions
    except ImportError:  # another release of Optuna, whose own way is good as well
        return acqf
    runs = type(acqf) is getattr(functions, "qLogEI", None)
    if not runs and type(acqf) is not getattr(functions, "LogEI", None):  # constraints, or several metrics
        return acqf
    try:
        fitted = acqf._cond_gpr._gpr if runs else acqf._gpr
        model, threshold = _fitted_well(sampler, fitted), float(acqf._threshold)
        if runs:
            running = acqf._cond_gpr._X_running
            mean = model.posterior(running)[0].detach()
            threshold = max(threshold, float(mean.max()))
            model.append_running_data(running, mean)
        elif model is fitted:
            return acqf
    except (AttributeError, TypeError):  # likewise
        return acqf
    return functions.LogEI(gpr=model, search_space=acqf.search_space, threshold=threshold)


def _fitted_well(sampler: Any, model: Any) -> Any:
    """Return the likelier of a model that found noise and one whose fit began without any; others as they are."""
    from optuna._gp import gp

    if float(model.noise_var) < _SOME_NOISE or len(model._X_train) < _AGAIN * sampler.noisy_at:
        return model
    plain = {"X_train": model._X_train, "y_train": model._y_train.squeeze(-1), "is_categorical": model._is_categorical}
    one = model.noise_var.new_ones(())
    scales = model.inverse_squared_lengthscales.new_ones(model.inverse_squared_lengthscales.shape)
    quiet = gp.GPRegressor(**plain, inverse_squared_lengthscales=scales, kernel_scale=one, noise_var=one * _QUIET_NOISE)
    other = gp.fit_kernel_params(
        X=plain["X_train"].numpy(),
        Y=plain["y_train"].numpy(),
        is_categorical=plain["is_categorical"].numpy(),
        log_prior=sampler._log_prior,
        minimum_noise=_LEAST_NOISE,
        deterministic_objective=False,
        gpr_cache=quiet,
    )
    sampler.noisy_at = len(model._X_train) if float(other.noise_var) >= _SOME_NOISE else 0
    likelier = max((model, other), key=lambda one: float(one.marginal_log_likelihood() + sampler._log_prior(one)))
    sampler._gprs_cache_list = [likelier]  # where the next fit begins
    return likelier
