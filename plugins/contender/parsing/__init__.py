"""How the DAG processor reads many models: together in one process, and a broken one apart from the others."""
