"""What a model gets that declares its rows and writes no functions of its own."""
