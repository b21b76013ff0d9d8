"""Outcomes, told to whoever should know: `[notify] command` gets each one as JSON on stdin, at least once."""
