"""Tests of live analysis over a WebSocket."""
