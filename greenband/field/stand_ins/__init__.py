"""Controllers made of software, for tests and practice: they answer on the loopback address and fail when asked to."""
