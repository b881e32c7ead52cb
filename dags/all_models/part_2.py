"""The DAGs of a part of this folder's models for Airflow, which reads them here together once there are many.

Nothing is to be added here for a new model: the models are dealt out over the files of this folder by their names, and
one that does not load is parsed by itself, and says why under the name of its own file.
"""

from contender.parsing.catalogue import all_models

globals().update(all_models(__file__))
