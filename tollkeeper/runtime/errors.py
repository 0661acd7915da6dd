"""Trouble that a person can put right."""

from __future__ import annotations


class OperatorError(Exception):
    """One line for whoever runs Tollkeeper: what is wrong, and what to do next.

    A process that meets it at start prints the line and exits with 1; so does the command line.
    """
