"""A failed step as people see it: its own message first, and a reason at each check that did not run."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar, cast

import dagster as dg

from ml_platform.errors import MLPlatformError
from ml_platform.orchestration.assets.checks import NOT_EVALUATED
from ml_platform.orchestration.planning.check_states import check_states

__all__ = ["explained"]

Resources = ParamSpec("Resources")
Made = TypeVar("Made")


def explained(
    compute: Callable[Concatenate[dg.AssetExecutionContext, Resources], Made],
) -> Callable[Concatenate[dg.AssetExecutionContext, Resources], Made]:
    """Say on the pages why an asset was not made, and why its checks did not run.

    Dagster shows an error that is raised in a step as a stack trace, under its own wrapping, and each check that the
    step did not come to as failed, without a word.

    Args:
        compute: the function of an asset, below ``@dg.asset``; its first argument is the context.
    """

    @functools.wraps(compute)
    def once(context: dg.AssetExecutionContext, *args: Resources.args, **kwargs: Resources.kwargs) -> Made:
        with _explaining(context, set()):
            return compute(context, *args, **kwargs)

    @functools.wraps(compute)
    def events(
        context: dg.AssetExecutionContext, *args: Resources.args, **kwargs: Resources.kwargs
    ) -> Iterator[object]:
        evaluated: set[dg.AssetCheckKey] = set()
        with _explaining(context, evaluated):
            for event in cast("Iterator[object]", compute(context, *args, **kwargs)):
                if isinstance(event, dg.AssetCheckResult | dg.AssetCheckEvaluation):
                    evaluated.add(
                        dg.AssetCheckKey(event.asset_key or context.asset_key, str(event.check_name))
                    )
                yield event

    # Dagster reads from the function itself whether it yields events, or returns.
    found: object = events if inspect.isgeneratorfunction(compute) else once
    return cast("Callable[Concatenate[dg.AssetExecutionContext, Resources], Made]", found)


@contextmanager
def _explaining(context: dg.AssetExecutionContext, evaluated: set[dg.AssetCheckKey]) -> Iterator[None]:
    try:
        yield
    except MLPlatformError as error:
        message = str(error).strip()
        missing = sorted(_planned(context) - evaluated)
        before = check_states(context.instance, missing)
        for key in missing:
            # What stopped that which lies downstream goes on stopping it until the check has passed.
            stops = key in before and before[key].stops
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=False,
                    severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
                    description=f"{NOT_EVALUATED}, for the step of its asset failed: {message}",
                )
            )
        raise dg.Failure(message, metadata={"error": type(error).__name__}) from error


def _planned(context: dg.AssetExecutionContext) -> set[dg.AssetCheckKey]:
    """The checks of the step's assets that the run was to evaluate, in this step or after it."""
    graph = context.job_def.asset_layer.asset_graph
    found = graph.get_check_keys_for_assets(set(context.selected_asset_keys))
    selected = context.run.asset_check_selection
    return set(found) if selected is None else set(found) & set(selected)
