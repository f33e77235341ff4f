"""Tests of live analysis."""
