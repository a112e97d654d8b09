"""What the suite's statistics are worth: studies simulated with a known truth, and a real one without a difference."""
