"""The command line: `elmtex-batch COMMAND`. Each kind of failure has its exit code."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elmtex_batch import __version__, commands_ops, commands_warehouse
from elmtex_batch.arguments import add_conversion, add_settings, conversion_settings
from elmtex_batch.errors import ElmtexError, SettingsError
from elmtex_batch.logs import say, show_log
from elmtex_batch.report.command import add_report

if TYPE_CHECKING:
    from elmtex_batch.reasons import Code

_INTERRUPTED = 130

_EXIT_CODES = """\
exit codes:
  0  done; rejected documents are rows, not failures
  1  unforeseen error         2  wrong setting or usage    3  missing tool
  4  missing input            5  model or adapter          6  output not writable
  7  published rows do not account for every input         8  workers failed
  9  unsafe versions or settings of packages             130  interrupted
  10  done, but a quality gate holds the run: look at it, then `elmtex-batch release`
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # what is written holds patient data
    show_log(getattr(options, "log", None) or "text")
    try:
        code: int = options.run(options)
    except ElmtexError as error:
        say(str(error), {"error": type(error).__name__, "exit_code": error.exit_code}, logging.ERROR)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; start it again to go on", {"exit_code": _INTERRUPTED}, logging.ERROR)
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elmtex-batch",
        description="Clinical reports (PDF, scans, text) to Parquet with structured, grounded information.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    commands_ops.add_check(commands)
    _add_status(commands)
    commands_ops.add_release(commands)
    _add_retry(commands)
    commands_warehouse.add_compact(commands)
    commands_warehouse.add_export(commands)
    _add_train(commands)
    _add_augment(commands)
    _add_evaluate(commands)
    add_report(commands)
    _add_schema(commands)
    return parser


def _add_convert(commands: Any) -> None:
    command = commands.add_parser("convert", help="documents to Parquet")
    add_conversion(command)
    command.set_defaults(run=_convert)


def _convert(options: argparse.Namespace, retried: "Code | None" = None) -> int:
    settings, out = conversion_settings(options)
    from elmtex_batch.pipeline import convert
    from elmtex_batch.progress import live_progress, print_summary
    from elmtex_batch.runs import raise_if_held

    with live_progress(settings.run.log) as progress:
        summary = convert(settings.inputs, out, settings, progress, retried=retried)
    print_summary(summary, settings.run.log)
    raise_if_held(summary)
    return 0


def _add_status(commands: Any) -> None:
    command = commands.add_parser("status", help="what an output folder holds: documents by state, reason and run")
    command.add_argument("out", metavar="OUT", help="output folder or URI")
    command.set_defaults(run=_status)


def _status(options: argparse.Namespace) -> int:
    from elmtex_batch.progress import print_ledger
    from elmtex_batch.runs import Runs
    from elmtex_batch.warehouse import Warehouse

    print_ledger(Warehouse.open(options.out).ledger(), Runs(options.out).all())
    return 0


def _add_retry(commands: Any) -> None:
    command = commands.add_parser("retry", help="do documents with a certain reason again; their rows are replaced")
    command.add_argument("out", metavar="OUT", help="output folder or URI")
    command.add_argument("--reason", required=True, help="a reason code, as `status` lists them")
    add_settings(command)
    command.set_defaults(run=_retry)


def _retry(options: argparse.Namespace) -> int:
    from elmtex_batch.reasons import Code
    from elmtex_batch.warehouse import Warehouse

    if options.reason not in set(Code):
        raise SettingsError(f"there is no reason {options.reason}; there are {', '.join(sorted(Code))}")
    code = Code(options.reason)
    options.inputs = Warehouse.open(options.out).sources_with(code)
    if not options.inputs:
        print(f"no document has the reason {code}")
        return 0
    return _convert(options, retried=code)


def _add_train(commands: Any) -> None:
    command = commands.add_parser("train", help="fine-tune an adapter on annotated reports")
    command.add_argument("--name", required=True, help="name of the adapter, as the warehouse will record it")
    command.add_argument(
        "--data", required=True, type=Path, nargs="+", help="annotated reports: JSON lines, or folders of letters"
    )
    command.add_argument("--out", required=True, type=Path, help="folder for checkpoints, log and adapter")
    command.add_argument("--dev", type=Path, help="annotated reports to score after each epoch")
    command.add_argument("--dev-share", type=float, help="without --dev: share of the data to hold out, by patient")
    command.add_argument("--start", help="adapter to go on from: a folder, or `bundled`")
    command.add_argument("--config", type=Path, help="TOML file with further settings of the training")
    command.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from elmtex_batch.training.settings import load_train_settings

    named = {name: getattr(options, name) for name in ("name", "data", "out", "dev", "dev_share", "start")}
    settings = load_train_settings(options.config, {name: value for name, value in named.items() if value is not None})
    from elmtex_batch.training.log import open_log
    from elmtex_batch.training.trainer import train

    with open_log(settings.out) as log:
        folder = train(settings, log)
    print(f"adapter: {folder}")
    return 0


def _add_augment(commands: Any) -> None:
    command = commands.add_parser(
        "augment",
        help="noisy copies of annotated reports, as OCR reads them from scans",
        description="Sets annotated reports as pages, damages these as scanners and faxes do, reads them as the "
        "conversion does, and finds the labels again. Started again, it goes on where it was.",
    )
    command.add_argument("--data", required=True, type=Path, help="annotated reports")
    command.add_argument("--out", required=True, type=Path, help="JSON lines to append the copies to")
    command.add_argument(
        "--level", type=int, choices=range(4), default=2, help="0 PDF with text layer, 1 clean scan, 2 usual, 3 fax"
    )
    command.add_argument("--seed", type=int, default=0, help="decides on looks and damage")
    command.add_argument("--share", type=float, default=1.0, help="share of the reports that get a copy, 0 to 1")
    command.add_argument("--workers", type=int, default=1, help="processes")
    command.add_argument("--schema", default="elmtex", help="category schema: a name, or a .toml file")
    command.set_defaults(run=_augment)


def _augment(options: argparse.Namespace) -> int:
    from elmtex_batch.progress import live_counts
    from elmtex_batch.schema import load_schema
    from elmtex_batch.training.augment import Damage, augment

    damage = Damage(options.level, options.seed, options.share)
    with live_counts("augmenting") as show:
        for tally in augment(options.data, options.out, load_schema(options.schema), damage, options.workers):
            show(tally.told())
    print(tally.told())
    return 0


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate",
        help="score models or ready predictions on annotated reports",
        description="Scores any number of runs on annotated reports, side by side. OUT/evaluation.html and OUT/runs "
        "show the texts of the reports: keep them where the reports may be kept.",
    )
    command.add_argument("--data", required=True, type=Path, help="annotated reports, as for training")
    command.add_argument("--out", required=True, type=Path, help="folder for evaluation.json, .md and .html")
    command.add_argument(
        "--run",
        dest="runs",
        action="append",
        metavar="NAME=SPEC",
        help="ready predictions (FILE.jsonl), settings of convert (FILE.toml), or settings of the model, such as "
        "reader=tagger,adapter=FOLDER; give one for each run",
    )
    command.add_argument("--forms", nargs="+", help="how models get the reports: text, pdf, scan1, scan2, scan3")
    command.add_argument("--schema", help="category schema: a name, or a .toml file")
    command.add_argument("--bert-model", help="encoder for BERTScore, a hub id or folder; left out without one")
    command.add_argument("--bert-layer", type=int, help="its hidden layer to compare (default: the last)")
    command.add_argument("--config", type=Path, help="TOML file with further settings of the evaluation")
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from elmtex_batch.evaluation.settings import load_evaluation_settings, parse_runs

    names = ("data", "out", "forms", "schema", "bert_model", "bert_layer")
    named = {name: getattr(options, name) for name in names}
    named["runs"] = parse_runs(options.runs) if options.runs else None
    settings = load_evaluation_settings(options.config, {name: v for name, v in named.items() if v is not None})
    from elmtex_batch.evaluation.evaluate import evaluate, summary_markdown
    from elmtex_batch.progress import live_progress

    with live_progress() as progress:
        evaluation = evaluate(settings, progress)
    print(summary_markdown(evaluation))
    print(f"\n{settings.out / 'evaluation.html'} shows the texts of the reports.")
    return 0


def _add_schema(commands: Any) -> None:
    command = commands.add_parser("schema", help="print the JSON Schema of an extraction")
    command.add_argument("name", nargs="?", default="elmtex", help="category schema: a name, or a .toml file")
    command.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    from elmtex_batch.schema import load_schema

    print(json.dumps(load_schema(options.name).json_schema(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
