"""Importing a model's code from the run's own checkout and from nowhere else."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType


def module_of(folder: Path, name: str) -> ModuleType:
    """Import `<folder's name>.<name>` from this folder, whatever other copy of the package the path leads to.

    A bundle's checkout is last on the path, behind the platform's own, and a folder without `__init__.py` is one
    package with every other of its name. What was imported from another copy is forgotten; the package's
    modules may import each other by the package's name.

    Args:
        folder: Absolute path of the package.
        name: Module inside it, without suffix.
    """
    package = sys.modules.get(folder.name)
    if package is None or set(package.__path__) != {str(folder)}:
        for known in [known for known in sys.modules if known.split(".", 1)[0] == folder.name]:
            del sys.modules[known]
        package = sys.modules[folder.name] = ModuleType(folder.name)
        package.__path__ = [str(folder)]
    return importlib.import_module(f"{folder.name}.{name}")
