"""What a loss costs: the batches it is timed on, the records of a benchmark, their slopes, ratios and goals."""
