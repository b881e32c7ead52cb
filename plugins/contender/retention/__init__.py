"""Removal of images that no release, alias, rollback window or container needs: by `make prune`, and by a task."""
