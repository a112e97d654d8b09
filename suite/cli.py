"""The command line `ranksuite`: one command a pipeline stage, and what stands beside the pipeline.

Imports of the suite's heavy packages stand inside the commands, so that `ranksuite --help` and errors come at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from suite.cli_data import data
from suite.cli_mlflow import mlflow
from suite.cli_report import report
from suite.cli_runs import plan, recipe
from suite.config import load_params
from suite.errors import SuiteError
from suite.landmarks.settings import ReleaseSettings
from suite.workers import use_one_thread

ROOT = Path("artifacts")


class OneLineErrors(click.Group):
    """Turns the suite's errors into one line and exit status 1; `--debug` shows the traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if context.params["debug"]:
                raise
            click.echo(f"ranksuite: {_printable(_one_line(error))}", err=True)
        raise SystemExit(1)


def _one_line(error: Exception) -> str:
    if isinstance(error, SuiteError):
        return str(error)
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(error, OSError):
        return f"{text} (a fault of the suite; ranksuite --debug shows where)"
    # NumPy and Arrow report a short write without an error number.
    what = f"{error.filename or ROOT}: {os.strerror(error.errno)}" if error.errno else text
    return f"{what}; is the disk full or not writable? nothing half-written is kept, run again when mended"


def _printable(text: str) -> str:
    """`text` with line breaks and control characters as escapes: it may quote a file or a server."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="ranksuite")
def main(debug: bool) -> None:
    """Benchmarking and reproducibility suite for rank losses in image retrieval."""
    # Before any command imports numpy or torch, which read these once.
    use_one_thread()
    # The memory profiler warns of every buffer that was there before it; what goes wrong is raised, not logged.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


@main.command()
@click.argument("dataset")
def download(dataset: str) -> None:
    """Bring the source files of DATASET, verified."""
    from suite.datasets import download_dataset

    download_dataset(load_params(), dataset, ROOT)


@main.command()
@click.argument("dataset")
def build(dataset: str) -> None:
    """Build DATASET from its source files."""
    from suite.datasets import build_dataset

    build_dataset(load_params(), dataset, ROOT)


@main.command()
@click.argument("dataset")
def embed(dataset: str) -> None:
    """Extract the backbone's features of DATASET."""
    from suite.models.embed import embed_dataset

    embed_dataset(load_params(), dataset, ROOT)


@main.command()
@click.argument("dataset")
def controls(dataset: str) -> None:
    """Measure the controls of DATASET: frozen features and random embeddings."""
    from suite.stages.controls import controls_stage

    controls_stage(load_params(), dataset, ROOT)


@main.command()
@click.argument("dataset")
@click.argument("loss")
@click.option("--no-mlflow", is_flag=True, help="Do not log live; `ranksuite mlflow sync` fills the store later.")
def train(dataset: str, loss: str, no_mlflow: bool) -> None:
    """Train the runs of LOSS on DATASET that are not recorded yet.

    Under `torchrun --no-python` the processes train one run after the other together, each a part of every batch.
    """
    from suite.training.distributed import launched_ranks
    from suite.training.executors.ranks import dismiss, follow
    from suite.training.stage import train_stage

    params = load_params()
    with ExitStack() as stack:
        ranks = stack.enter_context(launched_ranks())
        if ranks.size > 1 and params.protocol(loss) == "head":
            raise SuiteError(f"torchrun: '{loss}' trains heads, which one process does in seconds; run it without")
        if not ranks.is_first:
            follow(ROOT, params.workers, ranks)
            return
        tracker = None
        if not no_mlflow:
            from suite.tracking import LiveTracker

            tracker = stack.enter_context(LiveTracker(ROOT))
        together = ranks if ranks.size > 1 else None
        outcome = train_stage(params, dataset, loss, ROOT, tracker, together)
        if together is not None:
            dismiss(ranks)
    click.echo(
        f"{dataset} {loss}: {outcome.trained} runs trained, {outcome.present} recorded before, {outcome.failed} failed"
    )


@main.command()
@click.argument("dataset")
@click.argument("loss")
def measure(dataset: str, loss: str) -> None:
    """Measure the decomposability gap of the recorded runs of LOSS on DATASET."""
    from suite.stages.measure import measure_stage

    measure_stage(load_params(), dataset, loss, ROOT)


@main.command()
def compare() -> None:
    """Turn recorded runs into the tables of the report."""
    from suite.statistics import compare as compare_runs

    compare_runs(load_params(), ROOT)


@main.command()
def benchmark() -> None:
    """Time the loss kernels."""
    from suite.stages.benchmark import benchmark_stage

    benchmark_stage(load_params(), ROOT)


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "conformance",
    show_default=True,
    help="Folder of conformance.csv and conformance.parquet.",
)
def conformance(output: Path) -> None:
    """Compare public implementations with the definitions, and print where they part and why."""
    from suite.conformance.layout import as_text
    from suite.conformance.run import write_conformance

    click.echo(as_text(write_conformance(output)))


@main.command("search-study")
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(min=1),
    multiple=True,
    default=(60_000,),
    show_default=True,
    help="Items of a drawn gallery; once for each.",
)
@click.option("--dimensions", type=click.IntRange(min=1), default=512, show_default=True, help="Of drawn embeddings.")
@click.option("--dataset", "datasets", multiple=True, help="Embedded data set to search as well; once for each.")
@click.option("--queries", type=click.IntRange(min=1), default=1000, show_default=True, help="Queries a gallery.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Neighbours a query.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Timed searches a setting.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "search",
    show_default=True,
    help="Folder of search.csv, .parquet, .svg and .png.",
)
def search_study(
    sizes: tuple[int, ...], dimensions: int, datasets: tuple[str, ...], queries: int, k: int, rounds: int, output: Path
) -> None:
    """Measure recall against speed of the kinds of search index, on drawn embeddings and on features."""
    from suite.benchmarking.search import data_set_features, drawn_embeddings, sentences, write_search_study
    from suite.reporting.search_figure import write_search_figure

    searched = [data_set_features(ROOT, dataset, queries) for dataset in datasets]
    searched += [drawn_embeddings(size, queries, dimensions) for size in sizes]
    table = write_search_study(output, searched, k, rounds)
    write_search_figure(table, output)
    for line in sentences(table, recall=0.95):
        click.echo(line)


@main.command("validate-statistics")
@click.option("--studies", type=click.IntRange(min=50), default=10_000, show_default=True, help="Simulated a cell.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--cells", help="Only these cells, by name and comma: they are printed and nothing is written.")
@click.option("--retrain", is_flag=True, help="Train the runs of the real null although they are on record.")
def validate_statistics(studies: int, seed: int, cells: str | None, retrain: bool) -> None:
    """Simulate studies with a known truth, test a real null, and write docs/statistics.md."""
    from suite.stages.validate import simulate_cells, validate

    params = load_params()
    if cells:
        table = simulate_cells(tuple(cells.split(",")), studies, seed, params.workers.processes)
        click.echo(table.to_string(index=False, float_format="{:.3f}".format))
        return
    validate(params, ROOT, studies=studies, seed=seed, retrain=retrain)
    click.echo("docs/statistics.md, docs/images/statistics.png and suite/recipes/validation are written")


@main.command()
@click.option("--dataset", help="Data set to tune on; default: all of params.yaml.")
@click.option("--loss", multiple=True, help="Loss to tune; default: all of params.yaml.")
@click.option("--missing", is_flag=True, help="Only the batch sizes whose search is not on record.")
def tune(dataset: str | None, loss: tuple[str, ...], missing: bool) -> None:
    """Search learning rates on the validation classes and write the choices into params.yaml."""
    from suite.training.tuning import tune as search

    params = load_params()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SuiteError("torchrun: a search trains its trials side by side, not over ranks; run it without")
    for name in [dataset] if dataset else params.datasets:
        trials = search(params, name, list(loss or params.losses), ROOT, missing=missing)
        for row in trials[trials["chosen"].astype(bool)].itertuples():
            full = params.protocol(row.loss) == "full" and params.tuning.full_learning_rates
            key = "tuning.full_learning_rates" if full else "tuning.learning_rates"
            edge = f"  (at the edge of the search: widen {key})" if row.at_edge else ""
            case = f"{row.dataset} {row.loss} batch {row.batch_size}, equal {row.budget}"
            click.echo(f"{case}: learning rate {row.learning_rate:g}{edge}")


@main.command()
@click.argument("name", required=False)
def study(name: str | None) -> None:
    """Add what the study NAME asks for to params.yaml; without NAME, list the studies.

    A study only adds seeds, batch sizes and partitions. To go back, take params.yaml from version control.
    """
    from suite.recipes.studies import apply_study, list_studies

    if name is None:
        for known, overlay in list_studies().items():
            click.echo(f"{known}: {overlay.summary}")
        return
    added = apply_study(name)
    losses = {loss for loss, *_ in added}
    click.echo(f"params.yaml: study '{name}', {len(added)} batch sizes of {len(losses)} losses added")
    if added:
        click.echo(
            "They start from the learning rate of the nearest size: search them with `ranksuite tune`, then `dvc repro`"
        )


@main.command()
@click.argument("dataset")
@click.argument("loss")
def retry(dataset: str, loss: str) -> None:
    """Forget the failed runs of LOSS on DATASET, so that the next `dvc repro` trains them again."""
    from suite.training.store import RunStore, store_lock

    params = load_params()
    params.dataset(dataset), params.loss(loss)
    with store_lock(ROOT):
        forgotten = RunStore(ROOT / "runs", dataset, loss).forget_failed()
    click.echo(f"{dataset} {loss}: {len(forgotten)} failed runs forgotten; `dvc repro` trains them again")


@main.command("draw-miniature")
@click.argument("destination", type=click.Path(path_type=Path, file_okay=False))
def draw_miniature(destination: Path) -> None:
    """Draw the embedded miniature emoji packages into DESTINATION."""
    from suite.datasets.miniature import draw_miniature as draw

    draw(destination)


def _release_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each field of `ReleaseSettings`, the last one outermost, so that help lists them in order."""
    for name, field in reversed(ReleaseSettings.model_fields.items()):
        option = click.option(
            f"--{name.replace('_', '-')}",
            type=field.annotation,
            default=field.default,
            show_default=True,
            help=field.description or "",
        )
        command = option(command)
    return command


@main.command("draw-landmarks")
@click.argument("destination", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="every core",
    help="drawn side by side",
)
@_release_options
def draw_landmarks(destination: Path, processes: int, **options: float) -> None:
    """Draw a release of landmarks into DESTINATION, in the layout of GLDv2; the defaults give landmarks-mini.

    A release drawn there before is replaced; a folder with anything else in it is refused.
    """
    from suite.landmarks.release import draw_release

    counts = draw_release(destination, processes=processes, **options)
    click.echo(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()))


main.add_command(data)
main.add_command(report)
main.add_command(mlflow)
main.add_command(recipe)
main.add_command(plan)


if __name__ == "__main__":
    sys.exit(main())
