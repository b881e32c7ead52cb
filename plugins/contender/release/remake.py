"""Train a release again in a home of its own, and compare each part with its manifest on the way.

`reproduce.py` starts this in a process whose environment leads to that home alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from contender.core import naming
from contender.core.errors import ContenderError, SpecError, TableVersionGone
from contender.core.manifest import Release
from contender.core.model_code import module_of
from contender.core.results import Snapshot
from contender.core.settings import CHECKOUT, settings
from contender.core.spec import ModelSpec
from contender.operators.in_process import InProcess
from contender.release.find import read
from contender.release.parts import MODEL, REVISION, Comparison
from contender.release.revisions import other_code, other_libraries

FAILED = 1
ABSENT = "none"
SECONDS = "  {:<26} {:.1f} s"


@dataclass
class Remake:
    """One release, made again.

    Attributes:
        manifest: Where its manifest lies.
        release: What is in it.
        tables: Root of the lake that has its tables; empty: the source is read anew.
        compared: What was compared so far.
    """

    manifest: Path
    release: Release
    tables: str
    compared: Comparison

    def run(self) -> None:
        """Compare all that can be compared, in the order in which one part follows from the other.

        Raises:
            ContenderError: A step failed, so that there is nothing to compare from there on.
        """
        self._code()
        if self.tables:
            if not self._copy():
                return
        else:
            self._call("data.load", validated=self._call("data.validate"))
        self._snapshots(tuple(table.name for table in self.spec.tables), "table")
        self._definitions()
        if not self.tables:
            self._call("features.build")
        self._snapshots(tuple(view.name for view in self.spec.views), "features")
        self._fit(*self._training_set())

    @cached_property
    def declared(self) -> ModelSpec:
        """The model as this checkout declares it."""
        folder = settings().models / self.release.model
        if not (folder / "dag.py").is_file():
            raise SpecError(
                "there is no such model in this checkout", where=str(folder / "dag.py"),
                expected=f"the declaration of {self.release.model}", got="no file",
                next_step=other_code(CHECKOUT, self.release.code_revision, self.manifest),
            )  # fmt: skip
        spec: ModelSpec = module_of(folder, "dag").SPEC
        return spec

    @cached_property
    def spec(self) -> ModelSpec:
        """The model with the release's seed."""
        return self.declared.model_copy(update={"seed": self.release.seed})

    @cached_property
    def dag(self) -> Any:
        """The training DAG, for its operators."""
        from contender.factory import model_dags

        return model_dags(self.spec, doc=None)[0]

    @cached_property
    def chain(self) -> InProcess:
        """What calls them."""
        return InProcess(self.release.interval, 1, "reproduce", user="reproduce")

    def _call(self, task_id: str, **arguments: Any) -> Any:
        with self._timed(task_id):
            return self.chain.call(self.dag, task_id, **arguments)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.compared.say(SECONDS.format(step, time.perf_counter() - begun))

    def _code(self) -> None:
        from contender.adapters.revision import code_revision, lock_digest

        named, lock = self.release.code_revision, lock_digest()
        self.compared.add(REVISION, named, code_revision(CHECKOUT), other_code(CHECKOUT, named, self.manifest))
        why = "" if lock == self.release.lock_digest else other_libraries(CHECKOUT, named, self.release.lock_digest)
        self.compared.add("lock digest", self.release.lock_digest, lock, why)
        why = f"{self.release.model}/dag.py declares another seed; it is fitted with the manifest's"
        self.compared.add("seed", self.release.seed, self.declared.seed, why)

    def _copy(self) -> bool:
        """Take the tables over at the versions that the manifest names; whether all could be read."""
        from contender.adapters.lake import Lake

        theirs, ours = Lake(self.tables), Lake(settings().lake)
        with self._timed("tables at their versions"):
            for snapshot in self.release.tables:
                try:
                    theirs.copy(snapshot.table, snapshot.version, ours)
                except TableVersionGone as error:
                    name = f"table {snapshot.table}"
                    return self.compared.add(name, f"version {snapshot.version}", "gone", str(error)) and False
        return True

    def _snapshots(self, names: tuple[str, ...], kind: str) -> None:
        """Compare the content of tables over the times that the manifest has it of."""
        from contender.adapters.lake import Lake

        lake, named = Lake(settings().lake), {snapshot.table: snapshot for snapshot in self.release.tables}
        times = {table.name: table.time_column for table in self.spec.tables}
        for name in names:
            if name not in named:
                self.compared.add(f"{kind} {name}", ABSENT, "in the spec", "the release was made without it")
                continue
            here = lake.snapshot(name, time=times.get(name, naming.EVENT_TIME), interval=named[name].interval)
            why = f"rows: {named[name].rows} in the manifest, {here.rows} here; {self._came_from}"
            self.compared.add(f"{kind} {name}", named[name].digest, here.digest, why)

    @property
    def _came_from(self) -> str:
        return "the table's files were changed" if self.tables else "the source, or the code that reads it, is another"

    def _definitions(self) -> None:
        from contender.adapters.revision import model_code_digest

        here = model_code_digest(settings(), self.spec.name, self.spec.owners())
        why = f"dags/{self.spec.name}/*.py, feature_repo/{self.spec.name}.py or entities.py was changed"
        self.compared.add("features digest", self.release.features_digest, here, why)

    def _training_set(self) -> tuple[Any, Any]:
        """Join the training set again; its training rows and its holdout rows."""
        from contender.adapters.features import Features
        from contender.adapters.lake import digest
        from contender.operators.train import read_training_set

        windows, named = self.spec.split(self.release.interval), (self.release.train, self.release.holdout)
        self.compared.add("windows", "{} | {}".format(*named), f"{windows.train} | {windows.holdout}")
        with self._timed("features.register"):
            self.dag.task_dict["features.materialise"].register(Features(settings()))
        assembled = self._call("train.assemble")
        here = Snapshot.model_validate(assembled["training_set"])
        why = f"rows: {self.release.training_set.rows} in the manifest, {here.rows} here"
        self.compared.add("training set", self.release.training_set.digest, here.digest, why)
        rows, holdout = read_training_set(self.spec.name, assembled)
        self.compared.add("holdout", self.release.evidence.holdout_digest, digest(holdout))
        return rows, holdout.drop(columns=self.spec.label)  # as `train.fit` sees it

    def _fit(self, rows: Any, holdout: Any) -> None:
        """Fit and convert as `train.fit` does, with the manifest's parameters."""
        from contender.release.parameters import chosen
        from contender.stages import train

        functions = self.dag.task_dict["train.fit"].functions
        with self._timed("train.parameters"):
            found = chosen(functions, self.release.parameters, self.spec, self.release.called_with)
        why = "no set that the search space and the seed give has the manifest's, which it is fitted with"
        self.compared.add("parameters", found.manifest, found.here, why)
        with self._timed("train.fit"):
            model = train.fit(found.make, found.given, rows, self.spec)
        with self._timed("train.store"):
            stored = train.store(model, holdout, self.spec)
        self.compared.add(MODEL, self.release.model_digest, stored.digest)


def machine() -> str:
    """What is known of this machine that may change the last bits of a fit."""
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    return f"{platform.system()} on {platform.machine()}, {threads} threads"


def remake(manifest: Path, tables: str, say: Callable[[str], None]) -> bool:
    """Make a release again and say what came of it; whether the model is the same."""
    compared = Comparison(say)
    try:
        Remake(manifest, read(manifest, manifest.read_bytes()), tables, compared).run()
    except ContenderError as error:
        say(f"{type(error).__name__}: {error}")
    say(compared.explanation(machine()))
    return compared.reproduced


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 only if the model is the same."""
    parser = argparse.ArgumentParser(prog="contender.release.remake", description="Train a release again, here.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--tables", default="", help="root of the lake that has its tables")
    asked = parser.parse_args(arguments)
    return 0 if remake(asked.manifest, asked.tables, lambda line: print(line, flush=True)) else FAILED


if __name__ == "__main__":
    sys.exit(main())
