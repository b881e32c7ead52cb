"""What is done with a release once it is there: check it, from its signature back to the data."""
"""Releases after the fact: made again from their manifests."""
