"""The arguments of a conversion: inputs, output, and all that its settings can be given by."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from elmtex_batch.logs import show_log

if TYPE_CHECKING:
    from elmtex_batch.settings import Settings


def add_conversion(command: argparse.ArgumentParser) -> None:
    """Inputs, output and settings."""
    command.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="file, folder, glob, URI, or @FILE with one of these a line"
    )
    command.add_argument("--out", help="output folder or URI")
    add_settings(command)


def add_settings(command: argparse.ArgumentParser) -> None:
    """All but inputs and output."""
    command.add_argument("--config", type=Path, help="TOML file with settings")
    command.add_argument("--schema", help="category schema: a name, or a .toml file")
    command.add_argument(
        "--reader", choices=("tagger", "generator"), help="which kind of model reads (default: tagger)"
    )
    command.add_argument(
        "--prompt", choices=("finetuned", "naive", "advanced"), help="how a generator is asked (default: finetuned)"
    )
    command.add_argument("--examples", type=Path, metavar="FILE", help="annotated reports for the prompt advanced")
    command.add_argument("--adapter", help="adapter folder, instead of the bundled one")
    command.add_argument("--base", help="base model: embedded name, folder or hub id")
    command.add_argument("--ray-address", help="Ray cluster to run on, instead of this machine")
    command.add_argument("--log", choices=("text", "json"), help="what goes to standard error (default: text)")
    command.add_argument(
        "--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="any setting; may be given repeatedly"
    )


def conversion_settings(options: argparse.Namespace) -> "tuple[Settings, str]":
    """The settings of a conversion, and where it writes to.

    Raises:
        SettingsError: a setting is wrong, or inputs or output are missing.
    """
    from elmtex_batch.settings import destination, load_settings

    named = {
        "inputs": options.inputs or None,
        "out": options.out,
        "schema": options.schema,
        "model.reader": options.reader,
        "model.prompt": options.prompt,
        "model.examples": options.examples,
        "model.adapter": options.adapter,
        "model.base": options.base,
        "run.ray_address": options.ray_address,
        "run.log": options.log,
    }
    overrides = {name: value for name, value in named.items() if value is not None}
    settings = load_settings(options.config, overrides, options.set, os.environ)
    show_log(settings.run.log)
    return settings, destination(settings)
