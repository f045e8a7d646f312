"""Settings from flags and environment variables, and errors that name both."""

import inspect
import sys
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from typing import Self

from pydantic import AfterValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError

from hashfinder_process.entry import ProgramError


class SettingsInvalidError(ProgramError):
    """A flag or an environment variable has no valid value."""

    code = 2


class ProgramSettings(BaseSettings):
    """The settings of a program, which declares each with its help. They do not change."""

    model_config = SettingsConfigDict(
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        extra="ignore",
    )

    def __init_subclass__(cls) -> None:
        """Take the indentation from the docstring, which is the help, as Python 3.13 does."""
        super().__init_subclass__()
        cls.__doc__ = inspect.getdoc(cls)

    @classmethod
    def load(cls, arguments: list[str]) -> Self:
        """Return the settings from `arguments` and the environment.

        Raises:
            SettingsInvalidError: with a line for each: its flag, variable and allowed range.
            SystemExit: after ``--help``, or on an unknown flag.
        """
        text = StringIO()
        try:
            with redirect_stdout(text):
                return CliApp.run(cls, cli_args=arguments)
        except SystemExit:
            sys.stdout.write(text.getvalue())  # argparse would hide that it cannot be written
            raise
        except ValidationError as error:
            lines = [cls._sentence(each) for each in error.errors()]
            raise SettingsInvalidError("\n".join(lines)) from None
        except SettingsError as error:
            raise SettingsInvalidError(str(error)) from None

    @classmethod
    def named(cls, name: str) -> str:
        """Return a setting as its flag and its variable."""
        return f"--{name.replace('_', '-')} ({cls.model_config['env_prefix']}{name.upper()})"

    @classmethod
    def _sentence(cls, error: ErrorDetails) -> str:
        if not error["loc"]:  # of several settings
            return str(error["ctx"]["error"])
        name = str(error["loc"][0])
        if error["type"] == "value_error":
            return f"{cls.named(name)} {error['ctx']['error']}"
        return f"{cls.named(name)} must be {cls._allowed(name)}, not {error['input']!r}"

    @classmethod
    def _allowed(cls, name: str) -> str:
        """Return what a setting may be, in words, from its own definition."""
        schema = cls.model_json_schema()["properties"][name]
        schema = schema.get("anyOf", [schema])[0]
        if "enum" in schema:
            return " or ".join(schema["enum"])
        if schema["type"] == "string":
            return "a text"
        if schema["type"] == "boolean":
            return "true or false"
        kind = "a whole number" if schema["type"] == "integer" else "a number"
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"


def needs_tracing_of(distribution: str) -> AfterValidator:
    """Return the check of a switch that needs the packages of a distribution's extra `tracing`."""

    def check(value: bool) -> bool:  # noqa: FBT001  # the setting
        if value:
            try:
                version("opentelemetry-exporter-otlp-proto-grpc")
            except PackageNotFoundError:
                message = f"needs the packages of an extra: pip install '{distribution}[tracing]'"
                raise ValueError(message) from None
        return value

    return AfterValidator(check)
