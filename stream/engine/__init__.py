"""The engine: one thread polls, lanes apply, workers look after the rest."""
