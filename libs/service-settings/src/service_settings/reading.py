from typing import Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

SettingsType = TypeVar("SettingsType", bound=BaseSettings)


def read_settings(kind: type[SettingsType], **given: Any) -> SettingsType:
    """The settings of the environment, over which those of `given` go that are not None.

    Where some are wrong, says for each which and why in a line on standard error, and exits with 2.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]).upper()
            typer.echo(f"Error: {name}: {fault['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from None
