"""The composable stack of one checkout: checked, built, started, watched and stopped with `docker compose`.

All but `inside` runs on a bare Python 3.11: the host needs no environment to bring the stack up.
"""
