"""A leaderboard over a folder of runs: the newest run of each model, and how its figures came about."""
