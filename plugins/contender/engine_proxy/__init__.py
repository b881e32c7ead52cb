"""The allow-list before the Docker engine's socket: tasks build and serve images through it, and do nothing else."""
