"""What is done with a release once it is there: checked from its signature back to the data, and made again."""
