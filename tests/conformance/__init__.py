"""One suite for all languages: its scenarios, and the drivers and HTTP clients that carry them out."""
