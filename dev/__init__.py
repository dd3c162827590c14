"""Programs for those who work on this repository: set-up, drawings, the table of models."""
