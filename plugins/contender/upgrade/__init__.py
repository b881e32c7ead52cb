"""What a new version of the platform would ask of a fork."""
