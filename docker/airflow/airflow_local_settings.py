"""Makes the processes that fork tasks import what tasks need before they fork."""

from contender.operators.preload import preload

preload()
