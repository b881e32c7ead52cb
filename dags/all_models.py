"""The DAGs of all models of this folder for Airflow, which reads them here together once there are many.

Nothing is to be added here for a new model. A model that does not load is parsed by itself, and says why under the
name of its own file.
"""

from contender.parsing.catalogue import all_models

globals().update(all_models(__file__))
