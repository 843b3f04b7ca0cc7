"""The routes, a file for each kind: each parses what is asked, hands it on, and says what came of it."""
