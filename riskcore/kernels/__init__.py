"""Closed rooms of plain loops: arrays in, arrays out, no checks; none imports another."""
