"""Where settings come from: a TOML file, environment variables, the command line. Later ones win over earlier ones."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elmtex_batch.errors import SettingsError

PREFIX = "ELMTEX_"
_NO_SETTINGS = frozenset({"ELMTEX_CACHE"})
"""Where base models are kept is this machine's affair; see `elmtex_batch.bases`."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value of a setting ("section.name") as someone gave it. `origin` says where, for messages."""

    setting: str
    value: Any
    origin: str


def from_file(path: Path) -> list[Given]:
    """The settings of a TOML file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    return [Given(setting, value, str(path)) for setting, value in _leaves(values)]


def from_environment(environment: Mapping[str, str]) -> list[Given]:
    """`ELMTEX_RUN__MODEL_ACTORS=2` is `run.model_actors = 2`.

    Raises:
        SettingsError: a list or table is not written as in TOML.
    """
    names = sorted(name for name in environment if name.startswith(PREFIX) and name not in _NO_SETTINGS)
    return [_parsed(_setting_of(name), environment[name], f"environment variable {name}") for name in names]


def from_assignments(assignments: Iterable[str]) -> list[Given]:
    """`section.name=value`, as `--set` takes it.

    Raises:
        SettingsError: there is no `=`, or a list or table is not written as in TOML.
    """
    given = []
    for assignment in assignments:
        setting, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {setting}: write section.name=value, such as run.model_actors=2")
        given.append(_parsed(setting.strip(), value.strip(), f"--set {setting.strip()}"))
    return given


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + setting.upper().replace(".", "__")


def merged(given: Iterable[Given]) -> dict[str, Any]:
    """One nested dictionary; a value of None takes a setting back to its default.

    Raises:
        SettingsError: something is both a setting and a section.
    """
    values: dict[str, Any] = {}
    for one in given:
        *sections, name = one.setting.split(".")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{one.setting}: {section} is no section (from {one.origin})")
        if one.value is None:
            target.pop(name, None)
        else:
            target[name] = one.value
    return values


def _setting_of(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().replace("__", ".")


def _parsed(setting: str, text: str, origin: str) -> Given:
    """Lists and tables are written as in TOML, all else as it is: the setting's type decides what "2" means."""
    if not text.startswith(("[", "{")):
        return Given(setting, text or None, origin)
    try:
        return Given(setting, tomllib.loads(f"value = {text}")["value"], origin)
    except ValueError as error:
        message = f"""{setting}: write a list as ["a", "b"] and a table as {{a = 1}}: {error} (from {origin})"""
        raise SettingsError(message) from None


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
