# SPDX-License-Identifier: Apache-2.0
"""`rkt-io bench micro`: basic operations, library OS against native, alternating in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rktio.bench import closure, placement, program
from rktio.bench.comparison import Metric, Result
from rktio.common.errors import RktioError
from rktio.common.progress import Progress

# The goals are ratios; docs/benchmarks.md says what each benchmark does.
METRICS = (
    Metric("getppid", "ns", 10.0),
    Metric("pipe", "ns", 5.0),
    Metric("futex", "ns", 5.0),
    Metric("tmpfs_pread", "ns", 2.5),
    Metric("tcp_64k", "GB/s", 2.5, more_is_better=True),
    Metric("tcp_rr", "ns", 4.0),
    Metric("ext4_pread", "ns", 1.0),
    Metric("ext4_write", "MiB/s", 0.9, more_is_better=True),
    Metric("first_touch", "ns", 0.7),
    Metric("fork_exec", "us", 0.7),
)

INSTALLED = "/usr/bin/micro"
INSIDE_DIRECTORY = "/bench"
IMAGE_BYTES = 1 << 30  # sparse
MEMORY_BYTES = 1 << 30

# A run takes about its benchmarks' seconds; this much more means that it hangs.
SLACK_SECONDS = 60.0

Units = Mapping[str, str]
Runner = Callable[[Units], dict[str, float]]


@dataclass(frozen=True)
class MicroOptions:
    """What to measure: `runs` repetitions per side, `seconds` per benchmark and repetition."""

    metrics: tuple[Metric, ...] = METRICS
    runs: int = 7
    seconds: float = 0.3
    cpus: int = 1

    @property
    def timeout_seconds(self) -> float:
        """The time after which one run of the program is taken to hang."""
        return SLACK_SECONDS + 2 * self.seconds * len(self.metrics)


def chosen(names: str | None) -> tuple[Metric, ...]:
    """Return the metrics that `names` lists, separated by commas; None means all."""
    if names is None:
        return METRICS
    known = {metric.name: metric for metric in METRICS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise RktioError(
                f"there is no benchmark named {name!r}", hint=f"one of {', '.join(known)}"
            )
    if not wanted:
        raise RktioError("--only names no benchmark", hint=f"some of {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(wanted))


def alternate(
    metrics: Sequence[Metric],
    direct: Runner,
    native: Runner,
    runs: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Run both sides in turn, `runs` times each, and return a result per metric."""
    units = {metric.name: metric.unit for metric in metrics}
    samples: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in units}
    for _ in range(runs):
        for side, runner in enumerate((direct, native)):
            for name, value in runner(units).items():
                samples[name][side].append(value)
            advance()
    return [
        Result(metric, tuple(samples[metric.name][0]), tuple(samples[metric.name][1]))
        for metric in metrics
    ]


def native_runner(binary: Path, folder: Path, options: MicroOptions) -> Runner:
    """Return what runs `binary` on the host's kernel; its files go to `folder`."""
    cores = placement.server_cores(options.cpus)

    def measure(units: Units) -> dict[str, float]:
        words = program.arguments(list(units), options.seconds, str(folder))
        command = placement.placed([binary, *words], cores)
        return program.collect("native", command, units, timeout_seconds=options.timeout_seconds)

    return measure


def direct_runner(image: Path, options: MicroOptions) -> Runner:
    """Return what boots the library OS on `image` and runs the program in it, each time anew."""
    from rktio.host.launch import prepared
    from rktio.host.options import NetOptions, RunOptions

    cores = placement.server_cores(options.cpus)

    def measure(units: Units) -> dict[str, float]:
        run_options = RunOptions(
            image=image,
            program=INSTALLED,
            args=tuple(program.arguments(list(units), options.seconds, INSIDE_DIRECTORY)),
            memory_bytes=MEMORY_BYTES,
            cpus=options.cpus,
            net=NetOptions.none(),
        )
        with prepared(run_options) as launch:
            return program.collect(
                "library OS",
                placement.placed(launch.argv, cores),
                units,
                pass_fds=launch.fds,
                timeout_seconds=options.timeout_seconds,
            )

    return measure


def measure(options: MicroOptions) -> list[Result]:
    """Build what is needed, measure both sides, and leave nothing but the cache behind."""
    binary = program.built()
    image = closure.image_with(binary, INSTALLED, IMAGE_BYTES)
    with closure.scratch_directory() as folder:
        direct = direct_runner(closure.scratch_copy(image, folder), options)
        native = native_runner(binary, folder, options)
        with Progress("measuring", 2 * options.runs, "runs") as progress:
            return alternate(
                options.metrics, direct, native, options.runs, lambda: progress.advance(1)
            )


def setting(options: MicroOptions) -> str:
    """Return one line that says how both sides ran."""
    cores = placement.listed(placement.server_cores(options.cpus))
    return (
        f"medians of {options.runs} alternating runs; both sides on core {cores}; "
        f"files and image on {closure.file_system_of(closure.cache_directory())}"
    )
