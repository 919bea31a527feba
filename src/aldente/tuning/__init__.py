"""Finding settings: convergence, flaw limits, the reading of grids, the decision, and the protocol of a study."""
