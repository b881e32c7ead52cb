"""The same operators as the training DAG, called one after another in this process, without Airflow's machinery."""

from __future__ import annotations

from typing import Any

from contender.operators.in_process import InProcess


class Chain(InProcess):
    """One pass through the training DAG."""

    def run(self, dag: Any) -> str:
        """Run the whole chain; returns the verdict."""
        validated = self.call(dag, "data.validate")
        self.call(dag, "data.load", validated=validated)
        self.call(dag, "features.build")
        materialised = self.call(dag, "features.materialise")
        assembled = self.call(dag, "train.assemble")
        planned = self.call(dag, "train.plan", assembled=assembled)
        tried = [
            self.call(dag, "train.trial", name=f"train.trial[{number}]", map_index=number, trial=number,
                      assembled=assembled)
            for number in planned
        ]  # fmt: skip
        fitted = self.call(dag, "train.fit", trials=tried, assembled=assembled)
        built, proof, skipped = self._image(dag, fitted)
        inventory = self.call(dag, "image.inventory", fitted=fitted, built=built)
        evidence = self.call(dag, "gate.measure", assembled=assembled, fitted=fitted)
        branch = self.call(dag, "gate.decide", assembled=assembled, fitted=fitted, evidence=evidence, proof=proof,
                           built=built, skipped=skipped)  # fmt: skip
        if branch == "gate.promote":
            pushed = self.call(dag, "promote.push", evidence=self.pushed["gate.decide", "evidence"])
            self.call(dag, "promote.release", assembled=assembled, materialised=materialised, fitted=fitted,
                      inventory=inventory, evidence=self.pushed["gate.decide", "evidence"], approval=None,
                      pushed=pushed,
                      verdict=self.pushed["gate.decide", "verdict"])  # fmt: skip
        return str(branch).removeprefix("gate.")

    def _image(self, dag: Any, fitted: Any) -> tuple[Any, Any, str]:
        from airflow.sdk.exceptions import AirflowSkipException

        try:
            built = self.call(dag, "image.build", fitted=fitted)
        except AirflowSkipException as error:
            return None, None, str(error)
        return built, self.call(dag, "image.prove", fitted=fitted, built=built), ""
