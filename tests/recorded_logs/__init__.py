"""Logs as released versions wrote them. Every test run reads them all with today's code."""
