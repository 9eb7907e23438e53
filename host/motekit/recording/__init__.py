"""What went over a board's buses: told by the board (tap), kept (file), had from it (recorder)."""
