"""A client of a running platform: what the launchers of the embedded platform and of the stack have in common."""
