"""One suite for all languages: the scenarios, the drivers and HTTP clients that run them, and the fixtures."""
