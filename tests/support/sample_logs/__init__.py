"""Logs to test with: long ones, random ones, sealed, archived and personal ones."""
