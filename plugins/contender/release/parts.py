"""What a release names beside what was found here: one line for each part, and what explains a difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from contender.core.errors import some

SHORT = 12  # characters of a digest in a line
DIGEST = 64  # length of a SHA-256 in hexadecimal
REVISION = "code revision"
MODEL = "model digest"


@dataclass(frozen=True)
class Part:
    """One thing that a manifest names.

    Attributes:
        name: What it is.
        manifest, here: Its value in the manifest and here.
        why: Where they differ, what that may come from; shown below the line.
    """

    name: str
    manifest: str
    here: str
    why: str = ""

    @property
    def same(self) -> bool:
        """Whether it is the same here."""
        return self.manifest == self.here

    def __str__(self) -> str:
        whole = self.name == MODEL
        values = (one if whole else _short(one) for one in (self.manifest, self.here))
        return "{:<28} {:<8} manifest {}  here {}".format(self.name, "same" if self.same else "differs", *values)


@dataclass
class Comparison:
    """The parts that were compared so far.

    Attributes:
        say: Takes a line of output.
        parts: In the order in which one follows from the other, the model's digest last.
    """

    say: Callable[[str], None]
    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, manifest: object, here: object, why: str = "") -> bool:
        """Compare a part and say so; whether it is the same."""
        part = Part(name, str(manifest), str(here), why)
        self.parts.append(part)
        self.say(str(part))
        if why and not part.same:
            self.say(f"  {why}")
        return part.same

    @property
    def reproduced(self) -> bool:
        """Whether the model is the same, byte for byte."""
        return any(part.name == MODEL and part.same for part in self.parts)

    def explanation(self, machine: str = "") -> str:
        """What came of it, and where the model is another one, the first input that differs.

        The code revision is no input of the model by itself: most of a checkout has no part in a training. It is named
        where nothing else explains a difference.

        Args:
            machine: What is known of the machine here, for where nothing at all differs.
        """
        differing = [part.name for part in self.parts if not part.same and part.name != MODEL]
        inputs = [name for name in differing if name != REVISION]
        if self.reproduced:
            although = f", although these differ: {some(differing, 20)}" if differing else ""
            return f"The model is the same, byte for byte{although}"
        made = any(part.name == MODEL for part in self.parts)
        what = "The model is another one" if made else "No model could be made"
        if inputs:
            also = f"; these differ too: {some(inputs[1:], 20)}" if inputs[1:] else ""
            return f"{what}: the first input that differs, which explains it, is {inputs[0]}{also}"
        if differing:
            return f"{what}, and no input but the code differs: what explains it lies between the two code revisions"
        if not made:
            return f"{what}; no part that was compared differs"
        return f"{what}, from the same inputs: what is left is the machine{f', here {machine}' if machine else ''}"


def _short(value: str) -> str:
    return value[:SHORT] if len(value) == DIGEST and " " not in value else value
