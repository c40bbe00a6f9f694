"""Doors: HTTP on one side, one service call on the other. No decision is taken here, no table is touched."""
