"""Another version of the platform, as git has it, and which files it and this checkout changed since they parted."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from contender.core.errors import UpgradeRefused

CHECKER = "plugins/contender/upgrade/specs.py"
MODELS_OWN = ("expectations", "tests/models")  # and dags/<model>/ and feature_repo/*.py


@dataclass(frozen=True)
class Platform:
    """A version of the platform.

    Attributes:
        name: What was asked for, with its commit.
        folder: A folder with its `plugins/`.
        commit: Its commit; empty where its folder is no git checkout.
        objects: Where git finds that commit, if it is not in this checkout.
    """

    name: str
    folder: Path
    commit: str = ""
    objects: Path | None = None


@dataclass(frozen=True)
class Parting:
    """What was changed since two versions had a commit in common.

    Attributes:
        base: That commit.
        ours, theirs: Status (`A`, `M`, `D`, `T`) by path, in this checkout as it lies there and in the other version.
    """

    base: str
    ours: Mapping[str, str] = field(default_factory=dict)
    theirs: Mapping[str, str] = field(default_factory=dict)

    def both(self) -> list[str]:
        """Files that both changed."""
        return sorted(self.ours.keys() & self.theirs.keys())

    def own(self) -> list[str]:
        """Platform files that this checkout changed itself."""
        return sorted(path for path in self.ours if is_platform(path))


def is_platform(path: str) -> bool:
    """Whether a file is the platform's and not a model's.

    >>> [is_platform(path) for path in ("Makefile", "dags/churn/dag.py", "dags/templates/anomaly/dag.py")]
    [True, False, True]
    """
    top, _, rest = path.partition("/")
    if top == "dags":
        return "/" not in rest or rest.startswith("templates/")
    if top == "feature_repo":
        return not path.endswith(".py")
    return not any(path.startswith(f"{folder}/") for folder in MODELS_OWN)


@contextmanager
def platform_of(to: str, root: Path) -> Iterator[Platform]:
    """The platform of a commit, branch or tag of this checkout's repository, or of another checkout.

    Args:
        to: The revision, or the path of a checkout.
        root: This checkout.

    Raises:
        UpgradeRefused: There is neither, or it is from before specs had versions.
    """
    commit = _asked(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{to}^{{commit}}")
    place = (root / Path(to).expanduser()).resolve()
    if not commit and not place.is_dir():
        raise UpgradeRefused(
            "there is no such version of the platform", where="TO", got=to,
            expected="a branch, tag or commit of this repository, or the path of a newer checkout",
            next_step="bring it here: `git fetch upstream --tags`; `git tag` and `git branch -a` list what is there",
        )  # fmt: skip
    if not commit:
        yield _of_a_checkout(to, place)
        return
    name = f"{to} ({commit[:9]})"
    _require_checker(name, there=bool(_asked(root, "rev-parse", "--verify", "--quiet", f"{commit}:{CHECKER}")))
    with TemporaryDirectory(prefix="contender-upgrade-") as folder:
        with tarfile.open(fileobj=BytesIO(_git(root, "archive", "--format=tar", commit, "plugins"))) as tar:
            tar.extractall(folder, filter="data")
        yield Platform(name, Path(folder), commit)


def _of_a_checkout(to: str, place: Path) -> Platform:
    commit = _asked(place, "rev-parse", "--verify", "--quiet", "HEAD")
    objects = _asked(place, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    name = f"{to} ({commit[:9]})" if commit else to
    _require_checker(name, there=(place / CHECKER).is_file())
    return Platform(name, place, commit, Path(objects) if objects else None)


def _require_checker(name: str, *, there: bool) -> None:
    if not there:
        raise UpgradeRefused(
            "that version cannot check specs", where=f"TO={name}", expected=f"a platform with {CHECKER}", got="none",
            next_step="name a newer version: this one is from before specs had versions, or none of the platform",
        )  # fmt: skip


def parting(root: Path, platform: Platform) -> Parting | None:
    """What was changed on both sides; None where git knows of no commit that they have in common."""
    base = _asked(root, "merge-base", "HEAD", platform.commit, objects=platform.objects) if platform.commit else ""
    if not base:
        return None
    untracked = _git(root, "ls-files", "-z", "--others", "--exclude-standard").decode().split("\0")
    ours = _changes(root, platform, base) | {path: "A" for path in untracked if path}
    return Parting(base, ours, _changes(root, platform, base, platform.commit))


def _changes(root: Path, platform: Platform, *versions: str) -> dict[str, str]:
    arguments = ("diff", "--name-status", "--no-renames", "-z", *versions)
    parts = _git(root, *arguments, objects=platform.objects).decode().split("\0")
    return dict(zip(parts[1::2], parts[0::2], strict=False))


def _asked(root: Path, *arguments: str, objects: Path | None = None) -> str:
    """What git answers, or nothing where it says no."""
    done = _run(root, arguments, objects)
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def _git(root: Path, *arguments: str, objects: Path | None = None) -> bytes:
    done = _run(root, arguments, objects)
    if done.returncode:
        raise UpgradeRefused(
            "git refuses", where=f"git {' '.join(arguments)}", got=done.stderr.decode().strip(),
            next_step="mend what git says, then say it again; nothing was changed",
        )  # fmt: skip
    return done.stdout


def _run(root: Path, arguments: tuple[str, ...], objects: Path | None) -> subprocess.CompletedProcess[bytes]:
    # A hook's own variables would lead git to another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env["GIT_OPTIONAL_LOCKS"] = "0"  # to look is not to write: not even the index is refreshed
    if objects is not None:
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(objects)
    return subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, check=False)
