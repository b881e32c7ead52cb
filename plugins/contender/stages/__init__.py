"""What each stage computes, as pure functions of frames and specs."""
