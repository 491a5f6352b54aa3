"""Calls into the code of a use case: what it raises becomes an error that says where, and what the code was given."""

import functools
import inspect
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ml_platform.errors import MLPlatformError, UserCodeError

__all__ = ["call_user_code"]

T = TypeVar("T")


def call_user_code(
    where: str,
    function: Callable[..., T],
    *arguments: Any,  # noqa: ANN401 (whatever the code takes)
    given: str = "",
) -> T:
    """Call a function of a use case.

    Args:
        where: the declaration that names the function, e.g. ``<use case>/<model>, train``.
        function: the function.
        arguments: given to it.
        given: what the arguments hold, in words, for whoever mends it.

    Returns:
        What the function returned.

    Raises:
        UserCodeError: the function raised an error; its message names the declaration, the line and the error.
        MLPlatformError: as the function raised it.
    """
    try:
        return function(*arguments)
    except MLPlatformError:
        raise
    except Exception as error:
        told = f" It was given {given}." if given else ""
        raise UserCodeError(
            f"{where}: {_name(function)} ({_line(function, error)}) raised {type(error).__name__}: {error}."
            f"{told} Correct the function, then run again: what was built before stays"
        ) from error


def _plain(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (a function, or an object that is called)
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


def _name(function: Callable[..., Any]) -> str:
    plain = _plain(function)
    return f"{plain.__module__}.{getattr(plain, '__qualname__', type(plain).__qualname__)}"


def _line(function: Callable[..., Any], error: Exception) -> str:
    """The line of the function's own file where the error was raised, or passed through on its way from a library."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = inspect.getsourcefile(inspect.getmodule(_plain(function)) or _plain(function))
    frame = next((one for one in reversed(frames) if one.filename == own), frames[-1] if frames else None)
    if frame is None:
        return "called with other arguments than it takes"
    file = Path(os.path.relpath(frame.filename))
    return f"{frame.filename if '..' in file.parts else file}:{frame.lineno}"
